"""`python -m chaos.mutants`."""

import sys

from chaos.mutants.campaign import main

if __name__ == "__main__":
    sys.exit(main())
