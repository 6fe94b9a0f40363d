"""When a run that goes on is drawn again: as often as that costs it little. Pure.

Drawing reads all cells that there are, so drawing after every block costs a run the square of its length.
"""

import math

SHARE = 0.1  # of the time from the beginning of one drawing to that of the next, at most, is spent on drawing


class DrawingTimes:
    """The drawings of one run. Instants are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._next = -math.inf

    def due(self, now: float) -> bool:
        """Whether the run may be drawn again. The first time it may at once."""
        return now >= self._next

    def drawn(self, began: float, ended: float) -> None:
        """It was drawn: the longer that took, the longer it rests."""
        self._next = ended + (ended - began) * (1 - SHARE) / SHARE
