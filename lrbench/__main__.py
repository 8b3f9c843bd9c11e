"""`python -m lrbench`."""

import os
import sys
from pathlib import Path

# Python puts the current folder first on the path. Whatever lies there would be imported in place of a library, and
# Hydra would look for plugins in it; a user's own classes are found there by `targets.resolve`.
if sys.path[0] == os.getcwd() and Path(__file__).parents[1] != Path(os.getcwd()):
    del sys.path[0]

from lrbench.cli.main import main

main()
