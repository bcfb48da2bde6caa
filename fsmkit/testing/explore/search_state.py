"""`SearchState`: a place that a search can go back to."""

import attrs

from fsmkit.interpreter.row import Row
from fsmkit.testing.coverage import Crossing
from fsmkit.testing.harness.engine_driver import Saved
from fsmkit.testing.harness.observation import Observation, Place, Signature, running_states


@attrs.frozen(eq=False)
class SearchState:
    """An observation to go on from.

    Attributes:
        saved: All that stood then.
        observations: The way here.
        row: What was stored for the person.
        last: The edge taken last.
        signature: What tells it from others.
    """

    saved: Saved
    observations: tuple[Observation, ...]
    row: Row
    last: Crossing | None
    signature: Signature

    @property
    def place(self) -> tuple[Place, ...]:
        """Where the person stands."""
        return running_states(self.row)
