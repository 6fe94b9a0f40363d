"""How the cost of a run grows with its cells, and what it may be. Pure; experiment/bench/growth.py measures it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from analysis.estimates.numbers import number, several
from experiment.scheduling.drawing import DrawingTimes

# Not in experiments.toml: these are about the harness, and no run is to be refused or become another by them.
MOST_REPORT_S = 60.0  # whoever waits longer does something else meanwhile
MOST_REPORT_MB = 1000.0  # what one guest has: a report can be made wherever a cell can be run
TOLERANCE = 0.15  # of an exponent


@dataclass(frozen=True)
class Size:
    """What a run of so many cells costs, in seconds and bytes.

    ``harness_s``: all that is neither guest nor drawing. ``drawings_s``: of each drawing on its way, and of that at its
    end. ``report_bytes``: the most that is resident while the report is made.
    """

    cells: int
    blocks: int
    harness_s: float
    drawings_s: tuple[float, ...]
    disk_bytes: int
    report_s: float
    report_bytes: int


@dataclass(frozen=True)
class Cost:
    """A field of Size, what it is called, the unit in which it is shown, and the most that it may be in that unit."""

    field: str
    label: str
    unit: float = 1
    most: float = math.inf

    def of(self, size: Size) -> float:
        return float(getattr(size, self.field)) / self.unit


COSTS = (
    Cost("harness_s", "harness without guest and drawing, s"),
    Cost("disk_bytes", "results, MB", 1e6),
    Cost("report_s", "report, s", most=MOST_REPORT_S),
    Cost("report_bytes", "memory of the report, MB", 1e6, MOST_REPORT_MB),
)


@dataclass(frozen=True)
class Growth:
    """``exponents``: of the number of cells, from each size to the next.

    The last one is judged: the larger a run, the smaller the part of its cost that is the same for every run. That part
    makes an exponent smaller, never larger, so less than linear is no failure.
    """

    cost: Cost
    exponents: tuple[float, ...]

    @property
    def too_fast(self) -> bool:
        return bool(self.exponents) and self.exponents[-1] > 1 + TOLERANCE

    @property
    def words(self) -> str:
        if not self.exponents:
            return "one size cannot tell"
        last = self.exponents[-1]
        how = "more than linear" if self.too_fast else "linear" if last >= 1 - TOLERANCE else "less than linear"
        return f"{number(last)}: {how}"


def growths(sizes: Sequence[Size]) -> list[Growth]:
    """Of every cost; ``sizes`` in ascending order, no two alike."""
    return [Growth(cost, tuple(exponent(cost, less, more) for less, more in pairwise(sizes))) for cost in COSTS]


def exponent(cost: Cost, less: Size, more: Size) -> float:
    return math.log(cost.of(more) / cost.of(less)) / math.log(more.cells / less.cells)


def missed(sizes: Sequence[Size], grown: Sequence[Growth]) -> list[str]:
    """The bars that are, in words."""
    over = [
        f"{cost.label}: {number(cost.of(size))} with {several(size.cells, 'cell')}, at most {cost.most:g}"
        for size in sizes
        for cost in COSTS
        if cost.of(size) > cost.most
    ]
    return over + [
        f"{one.cost.label}: grows more than linearly, exponent {number(one.exponents[-1])}, at most {1 + TOLERANCE:g}"
        for one in grown
        if one.too_fast
    ]


def redrawn(blocks: int, block_s: float, drawing_s: Callable[[int], float]) -> tuple[int, float]:
    """How often the runner draws a run whose blocks take so long, and the share of its time that this takes.

    ``drawing_s``: what a drawing takes after so many blocks.
    """
    drawing_times, now, times, drawing = DrawingTimes(), 0.0, 0, 0.0
    for block in range(1, blocks + 1):
        now += block_s
        if block == blocks or drawing_times.due(now):
            took = drawing_s(block)
            drawing_times.drawn(now, now + took)
            now, times, drawing = now + took, times + 1, drawing + took
    return times, drawing / now
