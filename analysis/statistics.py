"""Estimates over blocks with bootstrap intervals. Pure; the same seed gives the same interval."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import stats

from analysis.counters import Array

SIGNIFICANT = 0.05  # of p, and of q, at most

# Of samples, a sample an argument, and of ``axis``, along which their blocks lie.
Statistic = Callable[..., Any]


class Settings(Protocol):
    """How intervals are made, and with how few blocks none is."""

    @property
    def confidence(self) -> float: ...
    @property
    def resamples(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def least_blocks(self) -> int: ...


@dataclass(frozen=True)
class Estimate:
    """A statistic's value over so many blocks; NaN is unknown. ``method`` is "" where there is no interval."""

    blocks: int
    value: float
    low: float = math.nan
    high: float = math.nan
    method: str = ""


def estimate(samples: Sequence[Array], statistic: Statistic, settings: Settings, *, paired: bool = True) -> Estimate:
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
            for method in ("BCa", "percentile"):
                found = stats.bootstrap(
                    tuple(samples),
                    statistic,
                    paired=paired,
                    vectorized=True,
                    method=method,
                    n_resamples=settings.resamples,
                    confidence_level=settings.confidence,
                    rng=np.random.default_rng(settings.seed),
                )
                low, high = float(found.confidence_interval.low), float(found.confidence_interval.high)
                if math.isfinite(low) and math.isfinite(high):
                    return Estimate(blocks, value, low, high, method)
    return Estimate(blocks, value)


def median(sample: Array, axis: int = -1) -> Any:
    return np.median(sample, axis=axis)


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
