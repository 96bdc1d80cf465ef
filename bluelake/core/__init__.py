"""What every room needs, on light dependencies: settings, metrics, exceptions, logging, the watermark file."""
