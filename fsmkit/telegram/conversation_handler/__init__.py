"""Moving a bot over from PTB's `ConversationHandler`. Only names."""

from fsmkit.telegram.conversation_handler.flow import MovedFlow, from_conversation_handler

__all__ = ["MovedFlow", "from_conversation_handler"]
