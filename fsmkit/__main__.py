"""`python -m fsmkit`: the same as the `fsmkit` command."""

from fsmkit.cli.commands import main

if __name__ == "__main__":
    main()
