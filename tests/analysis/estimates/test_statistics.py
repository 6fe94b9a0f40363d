"""Estimates and intervals against values known beforehand."""

import math
from typing import Any

import numpy as np
import pytest
from made_up import Settings
from scipy import stats

from analysis.estimates.statistics import (
    Estimate,
    estimate,
    excess_ratio,
    median,
    median_of_known,
    ratio_of_medians,
    resampled,
)
from analysis.records.counters import Array


def test_bca_is_that_of_the_text_book() -> None:
    """Efron and Tibshirani, An Introduction to the Bootstrap, table 14.2: variance of the spatial test data A."""
    a = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]
    found = estimate([np.array(a, float)], np.var, Settings(resamples=9999, confidence=0.90))
    assert found.value == pytest.approx(171.5, abs=0.1)
    assert found.low == pytest.approx(115.8, abs=2)
    assert found.high == pytest.approx(259.6, abs=4)
    assert found.method == "BCa"


def test_ratio_of_medians_is_not_the_median_of_ratios() -> None:
    above, below = np.array([1.0, 2, 9, 3, 2]), np.array([10.0, 40, 30, 10, 20])
    assert ratio_of_medians(above, below) == 2 / 20
    assert excess_ratio(above, below, np.array([1.0, 1, 1, 0, 5])) == (2 - 1) / (20 - 1)
    assert math.isnan(excess_ratio(above, above, np.array([2.0, 2, 2]))), "no excess that could be a divisor"


def test_an_interval_holds_the_value_and_is_the_seeds() -> None:
    rng = np.random.default_rng(7)
    below = rng.normal(1000, 50, 8)
    above = 0.1 * below * rng.normal(1, 0.05, 8)
    first = estimate([above, below], ratio_of_medians, Settings(resamples=9999))
    assert first == estimate([above, below], ratio_of_medians, Settings(resamples=9999))
    assert estimate([below], np.mean, Settings(resamples=9999)) != estimate(
        [below], np.mean, Settings(resamples=9999, seed=2)
    )
    assert first.low <= first.value <= first.high
    assert 0.08 < first.low < 0.1 < first.high < 0.12
    wider = estimate([above, below], ratio_of_medians, Settings(resamples=9999, confidence=0.99))
    assert wider.high - wider.low > first.high - first.low


def test_blocks_are_resampled_whole() -> None:
    """Blocks differ a hundredfold, the two of a block never: their ratio is known all the same."""
    below = np.array([1.0, 10, 30, 60, 100, 3])
    found = estimate([below / 4, below], ratio_of_medians, Settings(resamples=9999))
    assert (found.value, found.low, found.high) == (0.25, 0.25, 0.25)
    assert found.method == "percentile", "BCa is not defined where nothing varies"


def test_too_few_blocks_have_a_value_and_no_interval() -> None:
    sample = np.array([1.0, 2, 3, 4])
    found = estimate([sample], median, Settings(resamples=9999))
    assert (found.blocks, found.value, found.method) == (4, 2.5, "")
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert estimate([np.array([])], median, Settings(resamples=9999)).blocks == 0


def test_a_ratio_to_nothing_is_unknown() -> None:
    found = estimate([np.ones(8), np.zeros(8)], ratio_of_medians, Settings(resamples=9999))
    assert math.isnan(found.value)
    assert found.method == ""
    assert estimate([np.zeros(8), np.ones(8)], ratio_of_medians, Settings(resamples=9999)) == Estimate(
        8, 0, 0, 0, "percentile"
    )


@pytest.mark.parametrize("blocks", [5, 8, 100, 300])
@pytest.mark.parametrize(("paired", "method"), [(True, "BCa"), (True, "percentile"), (False, "BCa")])
def test_intervals_are_those_of_scipy_with_the_same_seed(blocks: int, paired: bool, method: str) -> None:
    rng = np.random.default_rng(blocks)
    below = rng.normal(1000, 50, blocks)
    above = below / 4 if method == "percentile" else rng.normal(700, 50, blocks if paired else blocks + 3)
    found = estimate([above, below], ratio_of_medians, Settings(resamples=999), paired=paired)
    expected = stats.bootstrap(  # type: ignore[call-overload]
        (above, below), ratio_of_medians, paired=paired, vectorized=True, method=method, n_resamples=999,
        rng=np.random.default_rng(Settings(resamples=9999).seed),
    ).confidence_interval  # fmt: skip
    assert (found.method, found.low, found.high) == (method, expected.low, expected.high)


def test_resamples_are_the_same_however_many_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = np.random.default_rng(3).normal(10, 1, 40)
    whole = resampled([sample], median, Settings(resamples=9999))
    monkeypatch.setattr("analysis.estimates.statistics.AT_A_TIME", 1234)
    most = 0

    def seen(values: Array, axis: int = -1) -> Any:
        nonlocal most
        most = max(most, values.size)
        return median(values, axis=axis)

    assert resampled([sample], seen, Settings(resamples=9999)).tolist() == whole.tolist()
    assert 0 < most <= 1234


def test_a_median_of_what_is_known_leaves_out_the_rest() -> None:
    sample = np.array([[1, math.nan, 3, 8], [math.nan] * 4, [4, 1, 2, 3], [math.nan, math.nan, 7, math.nan]])
    assert median_of_known(sample).tolist() == pytest.approx([3, math.nan, 2.5, 7], nan_ok=True)
    assert median_of_known(sample.T, axis=0).tolist() == pytest.approx([3, math.nan, 2.5, 7], nan_ok=True)
    assert median_of_known(sample[2]) == 2.5
