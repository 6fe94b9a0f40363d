"""Two runs side by side: two machines, two kernels, two versions, or two conditions. Pure.

Counts are compared as they are. Times of different runs are not comparable, least of all emulated ones: of these each
run's own ratio to its baseline is compared, block by block, if both had the same accelerator; the baseline's own times,
and those that no baseline has, are told and not judged.

The runs' blocks have nothing to do with each other, so intervals come from resampling both apart, and p from a
permutation test between them (of the difference of mean ranks: Mann and Whitney's), corrected as in
analysis.estimates.effects.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from analysis.estimates.effects import pairs
from analysis.estimates.outcomes import OUTCOMES, Outcome
from analysis.estimates.statistics import SIGNIFICANT, Estimate, estimate, false_discovery, ratio_of_medians
from analysis.judgements.claims import CANNOT_TELL, NOT, REPRODUCED
from analysis.records.conditions import AGAIN, BASELINE
from analysis.records.counters import Array
from analysis.study import Study
from configuration.bars import Intervals

Verdict = Literal["better", "worse", "changed", "same", "cannot tell", "not judged"]
Change = Literal["same", "changed", "turned"]
TIMES = ("s", "ms")
# Less than this nobody minds, however sure it is: of the ratio, and of the medians. Another warm snapshot may have a
# few more pages in memory.
TOLERANCE = 0.05
FEW_FAULTS = 10
FEW = {"MB": 1.0, "pages": 256.0}  # by unit: a megabyte
NO_BASELINE = ("first_issue_ms",)


@dataclass(frozen=True)
class Difference:
    """One outcome under one condition in two runs; ``ratio`` is B / A. ``relative``: to each run's own baseline."""

    condition: str
    outcome: Outcome
    relative: bool
    a: float
    b: float
    ratio: Estimate
    p: float
    verdict: Verdict
    q: float = math.nan


@dataclass(frozen=True)
class Judged:
    """A claim and what both runs say of it."""

    claim: str
    text: str
    a: str
    b: str

    @property
    def change(self) -> Change:
        """Turned: from reproduced to not, or back. Less than that, more replicates or luck can do."""
        if self.a == self.b:
            return "same"
        return "turned" if {self.a, self.b} == {REPRODUCED, NOT} else "changed"

    def __str__(self) -> str:
        return f"claim {self.claim}: {self.a}, now {self.b}"


@dataclass(frozen=True)
class Comparison:
    """``missing``: conditions that A has values of, and B has none."""

    differences: tuple[Difference, ...]
    claims: tuple[Judged, ...]
    missing: tuple[str, ...] = ()

    @property
    def flips(self) -> tuple[Judged, ...]:
        """Claims that are judged otherwise."""
        return tuple(claim for claim in self.claims if claim.change != "same")

    @property
    def flipped(self) -> list[str]:
        """Claims that turned, in words."""
        return [str(claim) for claim in self.claims if claim.change == "turned"]

    @property
    def regressions(self) -> list[str]:
        """What is worse in B, in words: outcomes, and claims that held and turned."""
        worse = [f"{d.outcome.label}, {d.condition}" for d in self.differences if d.verdict == "worse"]
        return worse + [str(claim) for claim in self.claims if claim.change == "turned" and claim.a == REPRODUCED]

    @property
    def lost(self) -> list[str]:
        """What A could tell and B cannot, in words."""
        conditions = [f"condition {name}: no cell that counts, or none planned" for name in self.missing]
        return conditions + [str(one) for one in self.claims if one.b == CANNOT_TELL != one.a]


def compare(a: Study, b: Study, conditions: Sequence[tuple[str, str]] = ()) -> Comparison:
    """``conditions``: pairs of A's and B's; () stands for all that both have."""
    common = [name for name in a.conditions if name in set(b.conditions)]
    chosen = conditions or [(name, name) for name in common]
    same_accelerator = a.run.accelerator == b.run.accelerator
    found = [
        difference(a.cells, b.cells, pair, outcome, a.bars, times=same_accelerator)
        for pair in chosen
        for outcome in OUTCOMES
        if outcome.name != "excess_s"
    ]
    differences = tuple(judge([one for one in found if one]))
    if conditions:
        return Comparison(differences, ())
    gone = counting(a) - counting(b)
    missing = tuple(name for name in a.conditions if name in gone)
    return Comparison(differences, tuple(claims_of(a, b)), missing)


def counting(found: Study) -> set[str]:
    """Conditions of which a cell counts."""
    return set(found.cells.loc[found.cells["valid"].astype(bool), "condition"])


def difference(
    a: pd.DataFrame, b: pd.DataFrame, pair: tuple[str, str], outcome: Outcome, settings: Intervals, *, times: bool
) -> Difference | None:
    """Not corrected, and judged later; of times only if ``times``. None where a run has no value."""
    is_time = outcome.unit in TIMES
    own = is_time and not set(pair) & {BASELINE, AGAIN} and outcome.name not in NO_BASELINE
    left, right = (values(cells, name, outcome.name, relative=own) for cells, name in zip((a, b), pair, strict=True))
    if not len(left) or not len(right):
        return None
    ratio = estimate([right, left], ratio_of_medians, settings, paired=False)
    judged = not is_time or (own and times)
    enough = judged and bool(ratio.blocks >= settings.least_blocks)
    name = pair[0] if pair[0] == pair[1] else f"{pair[0]} | {pair[1]}"
    medians = float(np.median(left)), float(np.median(right))
    p = permutation_p(left, right, settings) if enough else math.nan
    return Difference(name, outcome, own, *medians, ratio, p, "cannot tell" if judged else "not judged")


def values(cells: pd.DataFrame, condition: str, column: str, *, relative: bool) -> Array:
    if not relative:
        return pairs(cells, column, condition)[0]
    mine, its = pairs(cells, column, condition, BASELINE)
    known = its != 0  # where nobody stalled at all there is no ratio
    quotient: Array = mine[known] / its[known]
    return quotient


def permutation_p(a: Array, b: Array, settings: Intervals) -> float:
    found = stats.permutation_test(
        (a, b),
        mean_rank_difference,
        permutation_type="independent",
        vectorized=True,
        n_resamples=settings.resamples,
        rng=np.random.default_rng(settings.seed),
    )
    return float(found.pvalue)


def mean_rank_difference(a: Array, b: Array, axis: int = -1) -> Array:
    ranks = stats.rankdata(np.concatenate([a, b], axis=axis), axis=axis)
    first, second = np.split(ranks, [a.shape[axis]], axis=axis)
    found: Array = first.mean(axis=axis) - second.mean(axis=axis)
    return found


def judge(found: Sequence[Difference]) -> list[Difference]:
    """With q and verdict."""
    qs = false_discovery([one.p for one in found])
    return [
        one if math.isnan(q) else replace(one, q=q, verdict=verdict(one, q)) for one, q in zip(found, qs, strict=True)
    ]


def verdict(one: Difference, q: float) -> Verdict:
    if q > SIGNIFICANT:
        return "same"
    ratio = one.ratio.value
    if math.isfinite(ratio) and abs(ratio - 1) < TOLERANCE:
        return "same"
    if not one.relative and abs(one.b - one.a) < few(one.outcome):
        return "same"
    if not one.outcome.better or one.a == one.b:  # or medians that do not tell which way
        return "changed"
    return "better" if (one.b < one.a) == (one.outcome.better == "lower") else "worse"


def few(outcome: Outcome) -> float:
    return FEW_FAULTS if outcome.name.startswith("majflt") else FEW.get(outcome.unit, 0.0)


def claims_of(a: Study, b: Study) -> list[Judged]:
    """The claims that both runs were asked about."""
    before = {result.claim.id: result.verdict for result in a.claims}
    return [
        Judged(result.claim.id, result.claim.text, before[result.claim.id], result.verdict)
        for result in b.claims
        if result.claim.id in before
    ]
