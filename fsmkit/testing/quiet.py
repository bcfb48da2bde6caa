"""Keeps what the engine logs of failures on order out of the output of tests."""

import contextlib
import logging
from collections.abc import Generator


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Nothing of fsmkit's is logged meanwhile."""
    log = logging.getLogger("fsmkit")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before
