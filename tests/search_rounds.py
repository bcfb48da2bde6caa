"""How long the thorough searches are: `FSMKIT_TEST_ROUNDS=10 pytest -m thorough` looks ten times as far."""

import os

ROUNDS = int(os.environ.get("FSMKIT_TEST_ROUNDS", "1"))
