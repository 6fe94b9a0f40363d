"""How much a guest may write into a file of the host: so much in all, and so much a second. Pure."""

from testbed.errors import CellError

STREAM_BYTES = 32 * 1024 * 1024
"""Of the sampler's stream: more than an hour of ticks a second. What is decoded takes 25 times as much memory."""

TICK_BYTES = 6 * 1024
"""Of a tick of service A with 20 processes of httpd, at most."""

EVENT_BYTES = 8 * 1024 * 1024
"""Of a stream of events, and of a cell's own record: a thousand times what they have."""

EVENT_LINES = 20_000
"""Of these: they have some 50."""

EVENT_MEMBERS = 200
"""Of one of them: they have 70, of all kinds together."""

RUN_EVENT_BYTES = 32 * 1024 * 1024
"""Of all streams of events and records of a run that is read: some 12 KB a cell."""

COMMS = 1000
"""Names of programs in a recording: there are some 60."""

RATE = 4_000_000
"""Bytes a second: more than ten times what the sampler writes at its shortest interval."""

WINDOW_S = 5.0
"""What the rate is averaged over: a host that was busy finds at once what has come meanwhile."""


class Quota:
    """What one stream, called ``what`` in errors, may bring: ``total`` bytes, ``rate`` bytes a second."""

    def __init__(self, what: str, total: int, rate: float = RATE) -> None:
        self._what = what
        self._total = total
        self._rate = rate
        self._all = 0
        self._since = float("-inf")
        self._recent = 0

    def take(self, now: float, size: int) -> None:
        """``size`` bytes came at ``now``, in seconds of a monotonic clock. Raises CellError beyond a limit."""
        self._all += size
        if self._all > self._total:
            raise CellError(f"{self._what} is longer than {self._total} bytes")
        if now - self._since >= WINDOW_S:
            self._since, self._recent = now, 0
        self._recent += size
        if self._recent > self._rate * WINDOW_S:
            rate = self._recent / max(now - self._since, 0.001)
            raise CellError(
                f"{self._what} comes at {rate / 1e6:.1f} MB/s, "
                f"at most {self._rate / 1e6:.1f} MB/s are taken over {WINDOW_S:.0f} s"
            )
