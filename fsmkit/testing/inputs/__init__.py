"""Inputs from declarations: what a handler wants, what it nearly wants, and what nobody wants.

Whatever is guessed here is asked back: an action counts as accepted only if the handler's own matcher takes
the event that it makes, and as refused only if it does not.
"""

from fsmkit.testing.inputs.handlers import ANYTHING, Inputs, inputs_of

__all__ = ["ANYTHING", "Inputs", "inputs_of"]
