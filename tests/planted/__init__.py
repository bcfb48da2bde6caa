"""The planted bugs, and how surely they are found: `python -m tests.planted`."""
