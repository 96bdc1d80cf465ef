"""The `bluelake` command: arguments, progress and output. What it does is in the other rooms."""
