"""Cuts what a guest writes, which comes in pieces of any size, into lines of bounded length."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from measure.quota import EVENT_LINES
from testbed.files.documents import Fault

T = TypeVar("T")

LINE_LIMIT = 64 * 1024
"""Longest line in bytes, newline included: the sampler's own limit (measure/sampler/limits.h)."""


class LineTooLong(ValueError):  # noqa: N818 - what is wrong, said as people say it
    """A line goes on beyond the limit. Nothing of it, nor what comes after it, is given."""


class Lines:
    """``count``: of the lines that have ended so far."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self.count = 0
        self._limit = limit
        self._partial = bytearray()

    @property
    def pending(self) -> bool:
        """Whether the bytes have stopped within a line."""
        return bool(self._partial)

    def add(self, data: bytes) -> Iterator[bytes]:
        """The lines that ``data`` completes, without their newlines. Raises LineTooLong."""
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._append(piece, newline=1)
            line = bytes(self._partial)
            self._partial.clear()
            self.count += 1
            yield line
        self._append(rest, newline=0)

    def _append(self, piece: bytes, newline: int) -> None:
        if len(self._partial) + len(piece) + newline > self._limit:
            raise LineTooLong(f"longer than {self._limit} bytes")
        self._partial += piece


class BadLine(Fault):
    """The first line of a file that is none of those it should have; ``line``: its number, from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


def each(content: bytes, read: Callable[[bytes], T]) -> Iterator[T]:
    """What ``read`` makes of each line of a stream of events or a journal.

    A last line without its newline was cut off while it was written, and is left out. Raises BadLine for a line that is
    too long, of which ``read`` raises Fault, or that comes after EVENT_LINES others.
    """
    lines = Lines()
    try:
        for line in lines.add(content):
            if lines.count > EVENT_LINES:
                raise Fault(f"more than {EVENT_LINES} lines")
            yield read(line)
    except LineTooLong as fault:
        raise BadLine(lines.count + 1, str(fault)) from None
    except Fault as fault:
        raise BadLine(lines.count, str(fault).removeprefix("line 1: ")) from None
