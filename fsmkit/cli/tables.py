"""Text in columns, for people; scripts ask for JSON."""

from collections.abc import Iterable, Iterator, Sequence

NUMBER = int | float


def columns(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Lines with a head, each column as wide as its longest cell; numbers stand at the right.

    Example:
        >>> for line in columns(["flow", "count"], [["signup", 12], ["pay", 3]]):
        ...     print(line)
        flow    count
        signup     12
        pay         3
    """
    lines = list(rows)
    cells = [[str(cell) for cell in row] for row in lines]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    right = [bool(lines) and all(isinstance(row[n], NUMBER) for row in lines) for n in range(len(head))]
    for line in (head, *cells):
        padded = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        )
        yield "  ".join(padded).rstrip()
