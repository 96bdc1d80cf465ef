"""What proves the pipeline: simulator, chaos and benchmarks."""
