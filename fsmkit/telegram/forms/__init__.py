"""Questions and whole forms, made of ordinary states and handlers of the user's own flow. Only names."""

from fsmkit.telegram.forms.ask import ask
from fsmkit.telegram.forms.form import answers_of, form
from fsmkit.telegram.forms.questions import Question

__all__ = ["Question", "answers_of", "ask", "form"]
