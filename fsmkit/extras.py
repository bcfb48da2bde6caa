"""What is said where an extra of fsmkit is not installed: which one, not only the module that is missing."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Generator[None]:
    """Stands around the imports of what an extra brings.

    Args:
        name: The extra.

    Raises:
        ModuleNotFoundError: If it is not installed, with the command that installs it.

    Example:
        >>> with extra("redis"):
        ...     import no_such_module
        Traceback (most recent call last):
        ...
        ModuleNotFoundError: No module named 'no_such_module'. pip install 'fsmkit[redis]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.msg}. pip install 'fsmkit[{name}]'", name=error.name, path=error.path
        ) from error
