"""Where a person stands in a bot's ConversationHandlers.
PTB keeps it in `ConversationHandler._conversations` and has no public way to ask for it: this is the only
module that reads it. Where that attribute is gone, what callbacks have returned says where a person stands,
as far as they are in private chats.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from telegram.ext import ConversationHandler

from fsmkit.testing.any_bot.slots import AnyConversation, CallbackRun

KEPT = "_conversations"
"""PTB's name for it."""


def state_in(conversation: AnyConversation, *, user: int, chat: int) -> Any:
    """Return the state in which a person stands in a ConversationHandler; `None`: in none.

    Args:
        conversation: The ConversationHandler.
        user: The person.
        chat: Where.
    """
    kept: Mapping[Any, Any] = getattr(conversation, KEPT)
    parts = (chat,) * conversation.per_chat + (user,) * conversation.per_user
    # Of the last message where each has a state of its own.
    found = [state for key, state in kept.items() if tuple(key)[: len(parts)] == parts]
    state = found[-1] if found else None
    task = getattr(state, "task", None)  # of a handler that does not block
    if task is None:
        return state
    if not task.done() or task.cancelled() or task.exception() is not None:
        return getattr(state, "old_state", None)
    returned = task.result()
    if returned is None:
        return getattr(state, "old_state", None)
    return None if returned == ConversationHandler.END else returned


class Standing:
    """Where people stand; follows what callbacks return where PTB does not say."""

    def __init__(self, conversations: Iterable[AnyConversation]) -> None:
        self._conversations = list(conversations)
        self._followed: dict[tuple[int, int], Any] = {}

    def of(self, user: int, chat: int) -> list[tuple[AnyConversation, Any]]:
        """Return the ConversationHandlers in which a person stands, with the state in each."""
        found = [(each, self._state(each, user, chat)) for each in self._conversations]
        return [(each, state) for each, state in found if state is not None]

    def _state(self, conversation: AnyConversation, user: int, chat: int) -> Any:
        if hasattr(conversation, KEPT):
            return state_in(conversation, user=user, chat=chat)
        return self._followed.get((id(conversation), user))

    def follow(self, user: int, run: CallbackRun) -> None:
        """Take note of what a callback has returned.

        Args:
            user: Whose update it was.
            run: The callback.
        """
        if run.conversation is None or run.raised is not None:
            return
        state = run.returned
        for conversation in reversed(run.slots[0].around):
            mapped = conversation.map_to_parent or {}
            up = state in mapped
            if state == ConversationHandler.END or up:
                self._followed.pop((id(conversation), user), None)
            elif state is not None:
                self._followed[id(conversation), user] = state
            if not up:
                return
            state = mapped[state]
