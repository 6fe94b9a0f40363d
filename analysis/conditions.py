"""Which conditions have a part of their own, and the order in which they are shown."""

import re

import pandas as pd

BASELINE = "baseline"
AGAIN = "baseline-again"  # the baseline under another name: the A/A comparison
FIRST = ("figure1", BASELINE, AGAIN)


def ordered_conditions(cells: pd.DataFrame) -> list[str]:
    """Every condition once: the paper's, the baseline, then by name, 4 before 16 (a plan is shuffled)."""
    names = set(cells["condition"])
    return [*(name for name in FIRST if name in names), *sorted(names - set(FIRST), key=_natural)]


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
