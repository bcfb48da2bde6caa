"""Which line of the user's own code an exception came from."""

import os
import sysconfig
import traceback

_NOT_THEIRS = tuple(
    {
        os.path.normcase(os.path.realpath(path)) + os.sep
        for path in (
            os.path.dirname(os.path.dirname(__file__)),
            *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        )
    }
)
"""This package, the standard library, and what was installed."""


def place_in_user_code(error: BaseException) -> str | None:
    """`file:line` of the innermost frame that is the user's own, `None` if there is none."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        path = frame.f_code.co_filename
        if not path.startswith("<") and _is_theirs(path):
            found = f"{as_seen(path)}:{line}"
    return found


def as_seen(path: str) -> str:
    """A path as seen from the working directory, where it lies below that."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive on Windows
        return path
    return path if relative.startswith("..") else relative


def _is_theirs(path: str) -> bool:
    return not os.path.normcase(os.path.realpath(path)).startswith(_NOT_THEIRS)
