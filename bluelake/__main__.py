"""`python -m bluelake` is `bluelake`."""

import sys

from bluelake.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
