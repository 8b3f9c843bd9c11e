"""`python -m lrbench`."""

from lrbench.cli import main

main()
