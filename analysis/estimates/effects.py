"""What the conditions do to the outcomes, each against another one: comparisons within blocks. Pure.

The unit is the cell. A comparison takes the blocks in which both cells count and have it, and gives:

- the two medians and their ratio, with a bias-corrected and accelerated bootstrap interval over blocks;
- p: a permutation test within blocks (were there no effect, a block's two values could as well be exchanged),
  two-sided, of the mean of the differences' signed ranks (Wilcoxon's statistic), exact up to 13 blocks;
- q: p corrected for the number of comparisons by Benjamini and Hochberg: the false discovery rate;
- the effect size: the matched-pairs rank-biserial correlation, from -1 (lower in every block) to 1 (higher in all).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from analysis.estimates.outcomes import OUTCOMES, Outcome
from analysis.estimates.statistics import SIGNIFICANT, Estimate, estimate, false_discovery, ratio_of_medians
from analysis.records.counters import Array
from configuration.bars import Intervals

EXACT_BLOCKS = 13  # 2^13 exchanges are all looked at; beyond it as many as there are resamples
# The mechanism's own: where there is none, these are not known.
COMPARED = tuple(o for o in OUTCOMES if o.name not in ("excess_s", "mechanism_mb", "precision", "coverage",
                                                       "late_share", "wasted", "first_issue_ms"))  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """One outcome under one condition against another; NaN is unknown. ``ratio``: of the two medians."""

    condition: str
    against: str
    outcome: Outcome
    median: float
    median_against: float
    ratio: Estimate
    p: float = math.nan
    q: float = math.nan
    size: float = math.nan

    @property
    def blocks(self) -> int:
        return self.ratio.blocks


def effects(cells: pd.DataFrame, against: Mapping[str, str], settings: Intervals) -> list[Effect]:
    """Every outcome of every condition of ``against``, compared with the one that it names; corrected for their number.

    ``cells`` are ``analysis.estimates.outcomes.cell_outcomes``.
    """
    tables = {outcome: by_block(cells, outcome.name) for outcome in COMPARED}
    return correct(
        [
            effect(table, condition, other, outcome, settings)
            for condition, other in against.items()
            for outcome, table in tables.items()
        ]
    )


def effect(table: pd.DataFrame, condition: str, against: str, outcome: Outcome, settings: Intervals) -> Effect:
    """One comparison, not corrected. ``table``: the outcome by block."""
    mine, its = pairs_of(table, condition, against)
    if not len(mine):
        return Effect(condition, against, outcome, math.nan, math.nan, Estimate(0, math.nan))
    ratio = estimate([mine, its], ratio_of_medians, settings)
    medians = float(np.median(mine)), float(np.median(its))
    if len(mine) < settings.least_blocks:
        return Effect(condition, against, outcome, *medians, ratio)
    size = rank_biserial(mine, its)
    return Effect(condition, against, outcome, *medians, ratio, permutation_p(mine, its, settings), size=size)


def pairs(cells: pd.DataFrame, column: str, *conditions: str) -> list[Array]:
    """The column's values by condition, of the blocks in which all of these cells count and have one."""
    return pairs_of(by_block(cells, column), *conditions)


def pairs_of(table: pd.DataFrame, *conditions: str) -> list[Array]:
    """The same of a table that ``by_block`` made."""
    whole = table.reindex(columns=[*conditions]).astype(float).dropna()
    return [whole[condition].to_numpy(float) for condition in conditions]


def by_block(cells: pd.DataFrame, column: str) -> pd.DataFrame:
    """The column's values of the cells that count: a row a block, a column a condition."""
    valid = cells.loc[cells["valid"].astype(bool), ["replicate", "condition", column]]
    return valid.pivot(index="replicate", columns="condition", values=column)


def signed_ranks(differences: Array) -> Array:
    """Ranks of the differences' sizes, from 1, with their signs; a difference of 0 has 0."""
    found: Array = np.sign(differences) * stats.rankdata(np.abs(differences))
    return found


def permutation_p(mine: Array, its: Array, settings: Intervals) -> float:
    """1 where all blocks agree exactly. An exchange changes a rank's sign, not its size: they are ranked once."""
    ranks = signed_ranks(mine - its)
    if not ranks.any():
        return 1.0
    found, sums = ranks.sum(), exchanges(len(ranks), settings.resamples, settings.seed) @ ranks
    # What was found is itself one of the exchanges: of all of them already, of random ones besides.
    more = 0 if len(ranks) <= EXACT_BLOCKS else 1
    tail = min(np.count_nonzero(sums <= found), np.count_nonzero(sums >= found)) + more
    return float(min(1.0, 2 * tail / (len(sums) + more)))


@lru_cache(maxsize=8)
def exchanges(blocks: int, resamples: int, seed: int) -> npt.NDArray[np.int8]:
    """A row an exchange, -1 for each block whose two values change places: all that there are, or so many at random.

    To be read only.
    """
    if blocks <= EXACT_BLOCKS:
        changed = np.arange(2**blocks)[:, np.newaxis] >> np.arange(blocks) & 1
    else:
        changed = np.random.default_rng(seed).integers(2, size=(resamples, blocks), dtype=np.int8)
    return (1 - 2 * changed).astype(np.int8)


def rank_biserial(mine: Array, its: Array) -> float:
    ranks = signed_ranks(mine - its)
    whole = np.abs(ranks).sum()
    return float(ranks.sum() / whole) if whole else 0.0


def correct(found: Sequence[Effect]) -> list[Effect]:
    """With q, over all that have a p."""
    qs = false_discovery([one.p for one in found])
    return [replace(one, q=q) for one, q in zip(found, qs, strict=True)]


def unlike(found: Iterable[Effect]) -> list[Effect]:
    """Those that are shown to differ."""
    return [one for one in found if one.q <= SIGNIFICANT]


def least_p(blocks: int) -> float:
    """The smallest p that so many blocks can give, two-sided."""
    return min(1.0, 2.0 ** (1 - blocks))


def replicates_needed(mine: Array, its: Array, power: float = 0.8, alpha: float = 0.05, most: int = 1000) -> int | None:
    """With how many blocks a paired t-test of the logarithms would show the effect seen, with this power; at least as
    many as the permutation test needs to come below ``alpha`` at all. None: not with ``most``, or not to be said.
    """
    if len(mine) < 2 or (mine <= 0).any() or (its <= 0).any():
        return None
    logs = np.log(mine / its)
    spread = float(np.std(logs, ddof=1))
    least = math.ceil(1 - math.log2(alpha))
    if not spread:
        return least if logs.any() else None
    size = abs(float(np.mean(logs))) / spread
    for n in range(max(2, least), most + 1):
        critical = stats.t.ppf(1 - alpha / 2, n - 1)
        if stats.nct.sf(critical, n - 1, size * math.sqrt(n)) >= power:
            return n
    return None
