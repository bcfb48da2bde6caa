"""The store contract: all that the engine relies on, as a pytest class. Every store of fsmkit passes it.

Its parts are in the modules named `contract_*`. Importing it needs pytest, running it pytest-asyncio (in its
mode "auto").
"""

import sys

import pytest

# Before the import: the asserts of a library are not explained by pytest otherwise.
pytest.register_assert_rewrite(
    *(
        name
        for part in ("base", "rows", "lookup", "forget", "turns", "idle", "outbox", "engine", "steps")
        if (name := f"fsmkit.testing.contract_{part}") not in sys.modules
    )
)

from fsmkit.testing.contract_engine import AccessContract  # noqa: E402
from fsmkit.testing.contract_forget import ForgetContract  # noqa: E402
from fsmkit.testing.contract_idle import IdleContract  # noqa: E402
from fsmkit.testing.contract_lookup import LookupContract  # noqa: E402
from fsmkit.testing.contract_outbox import OutboxContract  # noqa: E402
from fsmkit.testing.contract_rows import RowContract  # noqa: E402
from fsmkit.testing.contract_steps import StepContract  # noqa: E402
from fsmkit.testing.contract_turns import TurnContract  # noqa: E402


class StoreContract(
    RowContract,
    LookupContract,
    ForgetContract,
    TurnContract,
    IdleContract,
    OutboxContract,
    AccessContract,
    StepContract,
):
    """What a store has to do. Subclass it in a test module and override the fixture `store`.

    Hooks may be overridden too, each where the store can serve it; the tests that need one are skipped
    otherwise: `another` (the same data as a second process opens them), `reopen` (the same after a restart),
    `expire_leases` and `expire_claims` (time passes for who holds a lease, or delivers an outbox).

    Example:
        >>> import pytest
        >>> from fsmkit.stores.memory import MemoryStore
        >>> from fsmkit.testing.contract import StoreContract
        >>> class TestMemoryStore(StoreContract):
        ...     @pytest.fixture
        ...     async def store(self, clock):
        ...         store = MemoryStore(clock)
        ...         yield store
        ...         await store.close()
    """


__all__ = ["StoreContract"]
