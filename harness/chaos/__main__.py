"""`python -m harness.chaos`."""

import sys

from harness.chaos.campaign import main

if __name__ == "__main__":
    sys.exit(main())
