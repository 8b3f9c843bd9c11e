"""`python -m lrbench`."""

from lrbench.cli.main import main

main()
