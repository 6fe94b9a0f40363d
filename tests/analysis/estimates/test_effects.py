"""Comparisons within blocks against values known beforehand."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from made_up import Settings
from scipy import stats

from analysis.estimates.effects import (
    COMPARED,
    EXACT_BLOCKS,
    Effect,
    correct,
    effects,
    least_p,
    pairs,
    permutation_p,
    rank_biserial,
    replicates_needed,
)
from analysis.estimates.outcomes import BY_NAME
from analysis.estimates.statistics import Estimate
from analysis.records.conditions import compared
from analysis.records.counters import Array

AGAINST = {"ours": "baseline"}


def made_up(ratios: Sequence[float], condition: str = "ours") -> pd.DataFrame:
    """A block for each ratio of the condition's values to the baseline's."""
    rows = []
    for block, ratio in enumerate(ratios, 1):
        base = {outcome.name: 100.0 + 7 * block for outcome in COMPARED}
        common = {"replicate": block, "valid": True}
        rows.append({"condition": "baseline", **common, **base})
        rows.append({"condition": condition, **common, **{name: ratio * value for name, value in base.items()}})
    return pd.DataFrame(rows)


def test_permutation_p_is_that_of_the_wilcoxon_test() -> None:
    rng = np.random.default_rng(3)
    its = rng.normal(100, 10, 9)
    mine = its + rng.normal(4, 6, 9)
    assert permutation_p(mine, its, Settings(resamples=999)) == pytest.approx(
        stats.wilcoxon(mine, its, method="exact").pvalue
    )


def test_permutation_p_of_one_sided_blocks_is_the_least_there_is() -> None:
    its = np.arange(100.0, 108)
    assert permutation_p(its / 2, its, Settings(resamples=999)) == pytest.approx(least_p(8)) == pytest.approx(2 / 256)
    assert permutation_p(its, its, Settings(resamples=999)) == 1, "no difference at all"


def by_scipy(mine: Array, its: Array, resamples: int = 9999) -> float:
    """Every resample ranked anew."""
    found = stats.permutation_test(
        (mine - its,),
        lambda sample, axis: (np.sign(sample) * stats.rankdata(np.abs(sample), axis=axis)).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=2 ** len(mine) if len(mine) <= EXACT_BLOCKS else resamples,
        rng=np.random.default_rng(1),
    )
    return float(found.pvalue)


@pytest.mark.parametrize("blocks", [2, 5, 6, 8, 12, 13])
@pytest.mark.parametrize("digits", [0, 5])
def test_permutation_p_is_that_of_all_exchanges(blocks: int, digits: int) -> None:
    """With ties and zeros, where there are few digits."""
    rng = np.random.default_rng(blocks)
    for shift in (0, 1, 2):
        its = rng.normal(100, 2, blocks).round(digits)
        mine = (its + rng.normal(shift, 1, blocks)).round(digits)
        assert permutation_p(mine, its, Settings(resamples=999)) == by_scipy(mine, its)


def test_permutation_p_of_many_blocks_is_nearly_that_of_all_exchanges() -> None:
    rng = np.random.default_rng(2)
    its = rng.normal(100, 10, 60)
    for shift in (0, 1, 2, 3):
        mine = its + rng.normal(shift, 6, 60)
        found = permutation_p(mine, its, Settings(resamples=9999))
        assert found == pytest.approx(by_scipy(mine, its), abs=0.04), "both are of random exchanges"
        assert found == permutation_p(mine, its, Settings(resamples=9999)), "of the same ones each time"
    assert permutation_p(its / 2, its, Settings(resamples=999)) == 2 / 1000, "none of 999 resamples is like it"


def test_rank_biserial_from_lower_in_all_to_higher_in_all() -> None:
    its = np.arange(100.0, 106)
    assert (rank_biserial(its - 1, its), rank_biserial(its, its), rank_biserial(its * 2, its)) == (-1, 0, 1)
    assert rank_biserial(its + np.array([1, -2, 3, 0, 0, 0.0]), its) == pytest.approx((4 - 5 + 6) / (4 + 5 + 6))


def test_benjamini_and_hochberg_over_what_is_known() -> None:
    found = [Effect("c", "baseline", COMPARED[0], 1, 1, Estimate(8, 1), p) for p in (0.01, math.nan, 0.04, 0.03)]
    assert [effect.q for effect in correct(found)] == pytest.approx([0.03, math.nan, 0.04, 0.04], nan_ok=True)


def test_an_effect_in_all_blocks_is_shown_and_none_is_not() -> None:
    shown = effects(made_up([0.1, 0.12, 0.09, 0.1, 0.11, 0.1, 0.13, 0.1]), AGAINST, Settings(resamples=999))
    assert [effect.outcome for effect in shown] == list(COMPARED)
    assert {round(effect.q, 6) for effect in shown} == {round(2 / 256, 6)}
    assert all(effect.size == -1 and effect.ratio.high < 0.2 for effect in shown)
    none = effects(made_up([1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1, 1]), AGAINST, Settings(resamples=999))
    assert all(effect.q > 0.5 and effect.ratio.low <= 1 <= effect.ratio.high for effect in none)


def test_few_replicates_have_a_ratio_but_no_interval_and_no_p() -> None:
    for effect in effects(made_up([0.5, 0.5, 0.4]), AGAINST, Settings(resamples=999)):
        assert effect.blocks == 3
        assert (effect.ratio.method, math.isnan(effect.ratio.low), math.isnan(effect.p)) == ("", True, True)


def test_only_blocks_in_which_both_cells_count_are_compared() -> None:
    cells = made_up([0.5] * 6)
    cells.loc[(cells["condition"] == "ours") & (cells["replicate"] == 2), "valid"] = False
    cells.loc[(cells["condition"] == "baseline") & (cells["replicate"] == 5), "read_mb"] = math.nan
    mine, its = pairs(cells, "read_mb", "ours", "baseline")
    assert list(its) == [107, 121, 128, 142]
    assert list(mine) == [53.5, 60.5, 64, 71]
    assert len(pairs(cells, "read_mb", "ours", "nowhere")[0]) == 0


def test_each_is_compared_with_what_its_configuration_names() -> None:
    values = {"condition": {"fast": {"against": "slow"}, "slow": {"against": "baseline"}, "alone": {"against": "gone"}}}
    planned = ["fast", "baseline", "slow", "alone", "unheard-of", "fast"]
    assert compared(values, planned) == {"fast": "slow", "slow": "baseline", "unheard-of": "baseline"}
    assert compared({}, ["fast", "slow"]) == {}, "no baseline, nothing to compare with"
    cells = pd.concat([made_up([0.5] * 6), made_up([0.25] * 6, "half").query("condition == 'half'")])
    found = {
        effect.condition: effect
        for effect in effects(cells, {"ours": "baseline", "half": "ours"}, Settings(resamples=999))
    }
    assert (found["ours"].against, found["ours"].ratio.value) == ("baseline", 0.5)
    assert (found["half"].against, found["half"].ratio.value) == ("ours", 0.5)


def test_a_clear_effect_needs_no_more_blocks_than_the_test_itself() -> None:
    its = np.array([100.0, 110, 95, 105])
    assert replicates_needed(its * np.array([0.1, 0.12, 0.1, 0.11]), its) == 6, "2 / 2^6 is the first p below 5 %"
    noisy = replicates_needed(its * np.array([0.7, 1.2, 0.8, 0.9]), its)
    assert noisy
    assert 20 < noisy < 60
    assert replicates_needed(its * np.array([0.9, 1.1, 0.95, 1.06]), its) is None, "no effect at all"
    assert replicates_needed(its * 0, its) is None, "no logarithm of 0"


def test_every_outcome_says_what_it_is() -> None:
    assert len(BY_NAME) == len({outcome.label for outcome in BY_NAME.values()})
    assert all(outcome.definition for outcome in BY_NAME.values())


@pytest.mark.parametrize("seed", range(40))
def test_p_is_that_of_scipys_signed_rank_test(seed: int) -> None:
    """Ours takes 0.2 ms; SciPy's permutation_test, which gives the same up to 13 blocks, 6.5, and this one 31."""
    rng = np.random.default_rng(seed)
    blocks, places = int(rng.integers(3, 9)), 0 if seed % 2 else 3  # whole numbers are often tied
    mine, its = np.round(rng.normal(10, 3, blocks), places), np.round(rng.normal(11, 3, blocks), places)
    every = stats.PermutationMethod(n_resamples=2**blocks)
    theirs = stats.wilcoxon(mine - its, zero_method="pratt", method=every).pvalue if (mine != its).any() else 1.0
    assert permutation_p(mine, its, Settings()) == pytest.approx(theirs, abs=1e-12)
