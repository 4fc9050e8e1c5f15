"""Trains and scores one cell, see `recipes.evidence.run.cell`."""

import sys

from recipes.evidence.run.cell import main

if __name__ == "__main__":
    sys.exit(main())
