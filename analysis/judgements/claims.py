"""Whether the claims of analysis/judgements/paper.toml hold in a run. Pure.

A test's estimate is the median of its measure over blocks, or the ratio of two medians, with its bootstrap interval:

- reproduced: the estimate and its whole interval lie within the limits;
- partly: the estimate does, but the interval reaches beyond them;
- not: the estimate and its whole interval lie outside;
- cannot tell: the estimate lies outside and the interval reaches in, or there are too few replicates.

A claim is reproduced, or not, where all its tests are; partly where they differ; and nothing can be told of it where
nothing can be told of one of them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimates.effects import pairs
from analysis.estimates.outcomes import BY_NAME
from analysis.estimates.statistics import Estimate, estimate, median, ratio_of_medians
from analysis.judgements.paper import Claim, Expectation
from analysis.records.counters import Array, span
from analysis.records.frames import Frames
from configuration.bars import Intervals

REPRODUCED, PARTLY, NOT, CANNOT_TELL = "reproduced", "partly", "not", "cannot tell"
VERDICTS = (REPRODUCED, PARTLY, NOT, CANNOT_TELL)
ONSET = 0.1  # of a role's rise from request to response: its rise has begun

# What a measure is, in words, beside the outcomes (analysis/estimates/outcomes.py).
MEASURES = {
    "share_before_request": "of the major faults of httpd and RDBMS from the recording's start to the response, the "
    "share before the request",
    "httpd_onset_s": "from the request to the tick by which httpd has a tenth of its rise [s]",
    "rdbms_lag_share": "from that tick to the RDBMS's own, as a part of the time from request to response",
    "rdbms_over_httpd": "the RDBMS's major faults from request to response over httpd's",
    "overcommitment_mib": "ceilings of both services less the guest's memory [MiB]",
}


@dataclass(frozen=True)
class Tested:
    expectation: Expectation
    words: str
    found: Estimate
    verdict: str


@dataclass(frozen=True)
class ClaimResult:
    claim: Claim
    tests: tuple[Tested, ...]
    verdict: str


def judge_claim(
    claim: Claim, frames: Frames, cells: pd.DataFrame, values: Mapping[str, Any], settings: Intervals
) -> ClaimResult:
    """``cells``: ``analysis.estimates.outcomes.cell_outcomes``. ``values``: the run's configuration, as JSON has it."""
    tests = tuple(judge_expectation(expectation, frames, cells, values, settings) for expectation in claim.tests)
    return ClaimResult(claim, tests, together([tested.verdict for tested in tests]))


def judge_expectation(
    expectation: Expectation, frames: Frames, cells: pd.DataFrame, values: Mapping[str, Any], settings: Intervals
) -> Tested:
    if expectation.measure == "overcommitment_mib":
        found = Estimate(0, overcommitment_mib(values))
        return Tested(expectation, MEASURES[expectation.measure], found, exactly(found.value, expectation))
    if expectation.measure in BY_NAME:
        conditions = [*filter(None, (expectation.condition, expectation.against))]
        words = f"{BY_NAME[expectation.measure].label}, {' / '.join(conditions)}"
        samples = pairs(cells, expectation.measure, *conditions)
    else:
        words = MEASURES[expectation.measure]
        samples = [figure_measure(frames, expectation)]
    found = estimate(samples, ratio_of_medians if len(samples) > 1 else median, settings)
    return Tested(expectation, words, found, verdict(found, expectation, settings.least_blocks))


def exactly(value: float, expectation: Expectation) -> str:
    if math.isnan(value):
        return CANNOT_TELL
    return REPRODUCED if inside(value, expectation) else NOT


def verdict(found: Estimate, expectation: Expectation, least_blocks: int) -> str:
    if found.blocks < least_blocks or math.isnan(found.value) or not found.method:
        return CANNOT_TELL
    low, high = limits(expectation)
    if inside(found.value, expectation):
        return REPRODUCED if low <= found.low and found.high <= high else PARTLY
    return NOT if found.high < low or found.low > high else CANNOT_TELL


def limits(expectation: Expectation) -> tuple[float, float]:
    return (
        -math.inf if expectation.at_least is None else expectation.at_least,
        math.inf if expectation.at_most is None else expectation.at_most,
    )


def inside(value: float, expectation: Expectation) -> bool:
    low, high = limits(expectation)
    return low <= value <= high


def together(verdicts: list[str]) -> str:
    if CANNOT_TELL in verdicts:
        return CANNOT_TELL
    return verdicts[0] if len(set(verdicts)) == 1 else PARTLY


def overcommitment_mib(values: Mapping[str, Any]) -> float:
    try:
        return float(
            values["service_a"]["ceiling_mib"] + values["alpha"]["size_mib"] - values["guest"]["memory_mib"],
        )
    except (KeyError, TypeError):
        return math.nan


def figure_measure(frames: Frames, expectation: Expectation) -> Array:
    """A measure of the fault curves, a value for each valid cell of the test's condition that has one."""
    cells = frames.cells[(frames.cells["condition"] == expectation.condition) & frames.cells["valid"].astype(bool)]
    faults = frames.faults[frames.faults["condition"] == expectation.condition]
    curves: dict[str, dict[str, tuple[Array, Array]]] = {}
    for (cell, role), rows in faults.groupby(["cell", "role"], sort=False):
        curves.setdefault(str(cell), {})[str(role)] = (rows["t"].to_numpy(float), rows["majflt"].to_numpy(float))
    values = []
    for cell, request, response in zip(cells["cell"], cells["request_t"], cells["response_t"], strict=True):
        mine = curves.get(cell, {})
        if {"httpd", "rdbms"} <= mine.keys():
            values.append(measure(expectation.measure, mine, float(request), float(response)))
    found: Array = np.array([value for value in values if math.isfinite(value)])
    return found


def measure(name: str, curves: Mapping[str, tuple[Array, Array]], request: float, response: float) -> float:
    """``curves``: times and cumulative major faults by role."""
    httpd, rdbms = (Rise.of(*curves[role], request, response) for role in ("httpd", "rdbms"))
    if name == "share_before_request":
        whole = httpd.end + rdbms.end
        return (httpd.begin + rdbms.begin) / whole if whole else math.nan
    if name == "httpd_onset_s":
        return httpd.onset - request
    if name == "rdbms_lag_share":
        return (rdbms.onset - httpd.onset) / (response - request)
    if name == "rdbms_over_httpd":
        return rdbms.size / httpd.size if httpd.size else math.nan
    raise ValueError(f"{name}: no such measure; there are {', '.join((*MEASURES, *BY_NAME))}")


@dataclass(frozen=True)
class Rise:
    """A role's count at the last tick at or before the request, at the first at or after the response, and when a
    tenth of the difference had come; NaN where there is none."""

    begin: float
    end: float
    onset: float

    @property
    def size(self) -> float:
        return self.end - self.begin

    @classmethod
    def of(cls, times: Array, counts: Array, request: float, response: float) -> "Rise":
        whole = span(times, request, response)
        if whole is None or len(counts[whole]) < 2:
            return cls(math.nan, math.nan, math.nan)
        begin, end = float(counts[whole][0]), float(counts[whole][-1])
        reached = np.flatnonzero(counts[whole] >= begin + max(1.0, ONSET * (end - begin)))
        return cls(begin, end, float(times[whole][reached[0]]) if len(reached) else math.nan)
