"""`python -m consumers.cli` is `pdl`, where the command is not on the path."""

from consumers.cli import main

main()
