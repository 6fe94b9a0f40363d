"""Sentences that are computed: plain words with their numbers, and where in a run's tables these stand. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.estimates.numbers import several, with_interval
from analysis.estimates.statistics import Estimate
from analysis.estimates.suites import disjoint

CLEARLY_MORE = "clearly more"


@dataclass(frozen=True)
class Sentence:
    """``table``: a file of the run's tables/; ``rows``: which of its rows hold the numbers."""

    text: str
    table: str
    rows: str


def listed(words: Sequence[str]) -> str:
    """One, "a and b", or "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def over(found: Iterable[Estimate]) -> str:
    """ "8 blocks", or "6 to 8 blocks"."""
    blocks = sorted({one.blocks for one in found})
    if len(blocks) < 2:
        return several(sum(blocks), "block")
    return f"{blocks[0]} to {blocks[-1]} blocks"


def told(found: Estimate) -> str:
    """A value with its interval; the tables say of which kind that is."""
    return with_interval(found).rstrip("*")


def with_number(name: str, found: Estimate) -> str:
    return f"{name} {told(found)}"


def than(mine: Estimate, its: Estimate) -> str:
    """What goes before "than": clearly is as ``disjoint`` has it."""
    if not mine.method or not its.method:
        return "perhaps more, as many or fewer (too few replicates)"
    if not disjoint(mine, its):
        return "not clearly more or fewer"
    return CLEARLY_MORE if mine.value > its.value else "clearly fewer"
