"""Questions and whole forms, made of ordinary states and handlers of the user's own flow. Only names."""

from fsmkit.telegram.forms.asking import ask
from fsmkit.telegram.forms.questions import Question
from fsmkit.telegram.forms.wizard import answers_of, form

__all__ = ["Question", "answers_of", "ask", "form"]
