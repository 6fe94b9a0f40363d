"""Cuts what a guest writes, which comes in pieces of any size, into lines of bounded length."""

from collections.abc import Iterator

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
