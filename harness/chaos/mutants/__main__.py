"""`python -m harness.chaos.mutants`."""

import sys

from harness.chaos.mutants.campaign import main

if __name__ == "__main__":
    sys.exit(main())
