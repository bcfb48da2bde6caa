"""Moving a bot over from PTB's `ConversationHandler`. Only names."""

from fsmkit.telegram.conversation_handler.flow import MovedFlow, from_conversation_handler
from fsmkit.telegram.conversation_handler.move import move

__all__ = ["MovedFlow", "from_conversation_handler", "move"]
