"""The `bluelake` command: arguments, progress and output. The work itself is in the other packages."""
