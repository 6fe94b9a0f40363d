"""Estimates over blocks with bootstrap intervals. Pure; the same seed gives the same interval."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.records.counters import Array
from configuration.bars import Intervals

SIGNIFICANT = 0.05  # of p, and of q, at most
AT_A_TIME = 2**18  # values of a sample that are drawn at a time: they fit into a cache

# Of samples, a sample an argument, and of ``axis``, along which their blocks lie.
Statistic = Callable[..., Any]


@dataclass(frozen=True)
class Estimate:
    """A statistic's value over so many blocks; NaN is unknown. ``method`` is "" where there is no interval."""

    blocks: int
    value: float
    low: float = math.nan
    high: float = math.nan
    method: str = ""


def estimate(samples: Sequence[Array], statistic: Statistic, settings: Intervals, *, paired: bool = True) -> Estimate:
    """``statistic`` of samples, paired by block or of different runs, with its interval where there are blocks enough.

    The interval is bias-corrected and accelerated (BCa). That is not defined where leaving any one block out gives
    the same value, or where no resample lies on one side of it; then it is the plain percentile interval.
    """
    blocks = min(len(sample) for sample in samples)
    if not blocks:
        return Estimate(0, math.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(*samples))
        if blocks < settings.least_blocks or not math.isfinite(value):
            return Estimate(blocks, value if math.isfinite(value) else math.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that BCa is not defined: handled here
            drawn: Any = SimpleNamespace(bootstrap_distribution=resampled(samples, statistic, settings, paired=paired))
            for method in ("BCa", "percentile"):
                found = stats.bootstrap(
                    tuple(samples),
                    statistic,
                    paired=paired,
                    vectorized=True,
                    method=method,
                    n_resamples=0,
                    bootstrap_result=drawn,
                    confidence_level=settings.confidence,
                )
                low, high = float(found.confidence_interval.low), float(found.confidence_interval.high)
                if math.isfinite(low) and math.isfinite(high):
                    return Estimate(blocks, value, low, high, method)
    return Estimate(blocks, value)


def resampled(samples: Sequence[Array], statistic: Statistic, settings: Intervals, *, paired: bool = True) -> Array:
    """``statistic`` of each bootstrap resample of ``samples``. Few are made at a time, however many blocks there be."""
    sizes = (len(samples[0]),) if paired else tuple(map(len, samples))
    drawn = draws(sizes, settings.resamples, settings.seed) * (len(samples) if paired else 1)
    step = max(1, AT_A_TIME // max(sizes))
    parts = [
        statistic(*(sample[rows[begin : begin + step]] for sample, rows in zip(samples, drawn, strict=True)), axis=-1)
        for begin in range(0, settings.resamples, step)
    ]
    found: Array = np.concatenate(parts)
    return found


@lru_cache(maxsize=8)
def draws(sizes: tuple[int, ...], resamples: int, seed: int) -> tuple[npt.NDArray[Any], ...]:
    """For samples of these sizes the places of what is drawn from each, a row a resample. To be read only."""
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(size, size=(resamples, size)).astype(np.min_scalar_type(size)) for size in sizes)


def median(sample: Array, axis: int = -1) -> Any:
    return np.median(sample, axis=axis)


def median_of_known(sample: Array, axis: int = -1) -> Any:
    """NaN where nothing is known."""
    if not np.isnan(sample).any():
        return np.median(sample, axis=axis)
    ordered = np.sort(sample, axis=axis)  # what is not known comes last
    known = np.count_nonzero(~np.isnan(sample), axis=axis, keepdims=True)
    middle = [np.take_along_axis(ordered, places, axis=axis) for places in (np.maximum(known - 1, 0) // 2, known // 2)]
    return np.squeeze((middle[0] + middle[1]) / 2, axis=axis)


def ratio_of_medians(above: Array, below: Array, axis: int = -1) -> Any:
    return np.median(above, axis=axis) / np.median(below, axis=axis)


def excess_ratio(above: Array, below: Array, reference: Array, axis: int = -1) -> Any:
    """The ratio of what two medians have in excess of a third; unknown where the second has no excess."""
    least = np.median(reference, axis=axis)
    excess = np.median(below, axis=axis) - least
    return (np.median(above, axis=axis) - least) / np.where(excess > 0, excess, np.nan)


def false_discovery(ps: Sequence[float]) -> list[float]:
    """q of each p, corrected for their number (Benjamini and Hochberg); a p that is NaN has none and does not count."""
    qs = [math.nan] * len(ps)
    known = [index for index, p in enumerate(ps) if not math.isnan(p)]
    if known:
        adjusted = stats.false_discovery_control([ps[index] for index in known], method="bh")
        for index, q in zip(known, adjusted, strict=True):
            qs[index] = float(q)
    return qs
