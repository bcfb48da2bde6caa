"""Mutants: a flow is broken on purpose, in one place at a time; what nothing notices is not tested.

`mutants` says what can be broken, `altering` breaks it in one engine, `survey` finds the conversations that
come there, `hunting` has them with the mutant, `score` is what came of it.
"""
