"""The store contract: all that the engine relies on, as a pytest class. Every store of fsmkit passes it.

Its parts are the modules beside this one. Importing it needs pytest, running it pytest-asyncio (in its
mode "auto").
"""

import sys

import pytest

# Before the import: the asserts of a library are not explained by pytest otherwise.
pytest.register_assert_rewrite(
    *(
        name
        for part in ("base", "rows", "leases", "outbox", "inbox", "engine")
        if (name := f"fsmkit.testing.store_contract.{part}") not in sys.modules
    )
)

from fsmkit.testing.store_contract.engine import AccessContract, StepContract  # noqa: E402
from fsmkit.testing.store_contract.inbox import InboxContract  # noqa: E402
from fsmkit.testing.store_contract.leases import IdleContract, TurnContract  # noqa: E402
from fsmkit.testing.store_contract.outbox import OutboxContract  # noqa: E402
from fsmkit.testing.store_contract.rows import ForgetContract, LookupContract, RowContract  # noqa: E402


class StoreContract(
    RowContract,
    LookupContract,
    ForgetContract,
    TurnContract,
    IdleContract,
    OutboxContract,
    InboxContract,
    AccessContract,
    StepContract,
):
    """What a store has to do. Subclass it in a test module and override the fixture `store`.

    Hooks may be overridden too, each where the store can serve it; the tests that need one are skipped
    otherwise: `another` (the same data as a second process opens them), `reopen` (the same after a restart),
    `expire_leases` and `expire_claims` (time passes for who holds a lease, or delivers an outbox),
    `pass_time` (time passes for what is kept for a term). The tests of the inbox are for stores that have
    one.

    Example:
        >>> import pytest
        >>> from fsmkit.stores.memory import MemoryStore
        >>> from fsmkit.testing import StoreContract
        >>> class TestMemoryStore(StoreContract):
        ...     @pytest.fixture
        ...     async def store(self, clock):
        ...         store = MemoryStore(clock)
        ...         yield store
        ...         await store.close()
    """


__all__ = ["StoreContract"]
