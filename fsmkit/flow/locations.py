"""Where things stand in the user's own code, as `file:line`, for messages to the person at the keyboard."""

import functools
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def location_of(function: Callable[..., Any]) -> str:
    """Return `file:line` of a function, as far as it has one."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    # A function has its code itself, a callable object in its class's `__call__`.
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return f"{_short(code.co_filename)}:{code.co_firstlineno}" if code else repr(function)


def location_for(function: Callable[..., Any], declared_at: str | None) -> str | None:
    """Return `file:line` of a user's function; of one that fsmkit makes, of the line that asked."""
    code = getattr(function, "__code__", None)
    made = code is not None and code.co_filename.startswith(_PACKAGE)
    return declared_at if made and declared_at is not None else location_of(function)


def calling_location() -> str | None:
    """Return `file:line` of the innermost caller that is not fsmkit itself."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # public in practice, and 100 x inspect.stack()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{_short(frame.f_code.co_filename)}:{frame.f_lineno}" if frame else None


def _short(path: str) -> str:
    """Return the path as seen from the working directory where it lies below it."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # pragma: no cover  # another drive on Windows
        return path
    return path if relative.startswith("..") else relative


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


def location_in_user_code(error: BaseException) -> str | None:
    """Return `file:line` of the innermost frame that is the user's own, `None` if there is none."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        path = frame.f_code.co_filename
        if not path.startswith("<") and _is_theirs(path):
            found = f"{shown_path(path)}:{line}"
    return found


def shown_path(path: str) -> str:
    """Return a path as seen from the working directory, where it lies below that."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive on Windows
        return path
    return path if relative.startswith("..") else relative


def _is_theirs(path: str) -> bool:
    return not os.path.normcase(os.path.realpath(path)).startswith(_NOT_THEIRS)
