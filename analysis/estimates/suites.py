"""Suites: how the conditions that answer one question together stand to each other, outcome by outcome. Pure.

- median: over the cells of a condition that count, with its bootstrap interval;
- effect: against the condition that it is compared with, as in analysis.estimates.effects, but q is corrected for
  the comparisons of the suite;
- rank: the condition's place among those of the suite that are under pressure, by median, 1 is best; equal medians
  share the better place. Its interval is that of the ranks in resamples of whole blocks (percentiles).
- trade: what a condition saves, and what it costs: differences of two medians over blocks.

Conditions in the same circumstances (disks, pressure, service, ...) are a family: within one it is told who is best.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.estimates.effects import Effect, by_block, correct, pairs, pairs_of
from analysis.estimates.outcomes import BY_NAME, Outcome
from analysis.estimates.statistics import Estimate, estimate, median, median_of_known, resampled
from analysis.records.conditions import circumstances, compared, settings_of, skipped
from analysis.records.counters import Array
from configuration.bars import Intervals

COMPARED = tuple(BY_NAME[name] for name in ("majflt_rdbms", "majflt_service", "first_byte_s", "response_s", "read_mb",
                                            "read_whole_mb", "idle_mb", "peak_mb", "memory_mb"))  # fmt: skip
# The mechanism's own: ranked, and compared with nothing, as there may be no mechanism on the other side.
OWN = tuple(BY_NAME[name] for name in ("mechanism_mb", "precision", "coverage", "late_share"))
TOLERANCE = 0.05  # of a ratio: a smaller difference is none, however sure it is
FAULTS, SAVED, READ = "majflt_rdbms", "majflt_service", "read_whole_mb"
WORKING_SET = "working-set"
NAMELESS = "own"  # of the conditions that were named on the command line
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")  # what a suite may be called; it becomes part of a file's name


@dataclass(frozen=True)
class Standing:
    """One outcome under one condition. ``effect``: None where it is compared with nothing. ``rank``: NaN for none."""

    condition: str
    outcome: Outcome
    median: Estimate
    rank: Estimate
    effect: Effect | None


@dataclass(frozen=True)
class Trade:
    """``saved``: major faults of service A less than ``against`` has. ``extra``: MB read more than there, from the
    recording's start to the response.
    """

    condition: str
    against: str
    saved: Estimate
    extra: Estimate


@dataclass(frozen=True)
class Suite:
    """``conditions``: in the order of the configuration, and so are the members of ``families``, by the one that the
    others are compared with. ``calm``: those without pressure, which have no rank. ``skipped``: by condition, why its
    cells could not be run.
    """

    name: str
    answers: str
    conditions: tuple[str, ...]
    against: Mapping[str, str]
    families: Mapping[str, tuple[str, ...]]
    calm: frozenset[str]
    skipped: Mapping[str, str]
    standings: tuple[Standing, ...]
    trades: tuple[Trade, ...]

    @cached_property
    def _at(self) -> Mapping[tuple[str, str], Standing]:
        return {(one.condition, one.outcome.name): one for one in self.standings}

    def standing(self, condition: str, outcome: str) -> Standing:
        return self._at[condition, outcome]

    @property
    def measured(self) -> list[str]:
        """The conditions that have a cell that counts, by families, those with fewest RDBMS major faults first."""
        return [
            name
            for members in self.families.values()
            for name in sorted(members, key=self._faults)
            if self.standing(name, "response_s").median.blocks
        ]

    def _faults(self, condition: str) -> float:
        value = self.standing(condition, FAULTS).median.value
        return math.inf if math.isnan(value) else value

    def is_like_its_other(self, condition: str) -> bool:
        """Whether it differs from what it is compared with by the mechanism, and not by its circumstances."""
        other = self.against.get(condition)
        return any(condition in members and other in members for members in self.families.values())


def suites(
    manifest: Mapping[str, Any],
    values: Mapping[str, Any],
    frame: pd.DataFrame,
    cells: pd.DataFrame,
    effects: Iterable[Effect],
    settings: Intervals,
) -> list[Suite]:
    """The suites that a run was made for, or one nameless one of all its conditions.

    ``manifest`` and ``values``: the run's manifest and configuration. ``frame``: ``frames.cells``. ``cells``:
    ``analysis.estimates.outcomes.cell_outcomes``. ``effects``: of all conditions, each against its own other one.
    """
    planned = list(dict.fromkeys(frame["condition"]))
    against, left_out = compared(values, planned), skipped(frame)
    found = {(effect.condition, effect.outcome.name): effect for effect in effects}
    made = []
    for name, answers, names in named(manifest, values, planned):
        calm = frozenset(one for one in names if settings_of(values, one).get("pressure") is False)
        made.append(
            Suite(
                name=name,
                answers=answers,
                conditions=names,
                against=against,
                families=families(values, names, against),
                calm=calm,
                skipped={one: left_out[one] for one in names if one in left_out},
                standings=tuple(standings(cells, names, calm, found, settings)),
                trades=tuple(trade(cells, one, against[one], settings) for one in names if one in against),
            )
        )
    return made


def named(
    manifest: Mapping[str, Any], values: Mapping[str, Any], planned: Sequence[str]
) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, question and planned conditions of each suite; conditions in the order of the configuration."""
    order = [*mapping(values.get("condition")), *planned]
    known = sorted(planned, key=order.index)
    used = mapping(manifest.get("suite"))
    names = used["names"] if "names" in used else [used.get("name")]
    whole = []
    for name in names if isinstance(names, list) else []:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            continue
        suite = mapping(mapping(values.get("suite")).get(name))
        wanted = suite.get("conditions")
        # Older manifests name the suite even where other conditions than its own were run.
        if isinstance(wanted, list) and ("names" in used or wanted == used.get("conditions")):
            whole.append((name, str(suite.get("answers", "")), tuple(one for one in known if one in wanted)))
    whole = [suite for suite in whole if suite[2]]
    return whole or [(NAMELESS, "", tuple(known))]


def families(values: Mapping[str, Any], names: Sequence[str], against: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    members: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        members.setdefault(circumstances(values, name), []).append(name)
    others = set(against.values())
    largest_first = sorted(members.values(), key=len, reverse=True)
    return {next((one for one in mine if one in others), mine[0]): tuple(mine) for mine in largest_first}


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def standings(
    cells: pd.DataFrame,
    names: Sequence[str],
    calm: Iterable[str],
    effects: Mapping[tuple[str, str], Effect],
    settings: Intervals,
) -> list[Standing]:
    """Every outcome of COMPARED and OWN under every condition of ``names``."""
    ranked = [name for name in names if name not in set(calm)]
    own = [effects[name, outcome.name] for name in names for outcome in COMPARED if (name, outcome.name) in effects]
    corrected = {(one.condition, one.outcome.name): one for one in correct(own)}
    found = []
    for outcome in (*COMPARED, *OWN):
        table = by_block(cells, outcome.name)
        place = ranks(cells, ranked, outcome, settings)
        for name in names:
            (sample,) = pairs_of(table, name)
            found.append(
                Standing(
                    condition=name,
                    outcome=outcome,
                    median=estimate([sample], median, settings),
                    rank=place.get(name, Estimate(len(sample), math.nan)),
                    effect=corrected.get((name, outcome.name)),
                )
            )
    return found


def ranks(cells: pd.DataFrame, names: Sequence[str], outcome: Outcome, settings: Intervals) -> dict[str, Estimate]:
    """By condition, for those that have a value; no interval with fewer than ``settings.least_blocks`` values.

    A block is drawn whole. Where a condition's cell of it does not count, the median is over the rest of its cells.
    """
    wide = by_block(cells, outcome.name).reindex(columns=list(names))
    known = wide.astype(float).dropna(axis="columns", how="all").dropna(axis="index", how="all")
    if known.empty:
        return {}
    values = known.to_numpy() * (-1 if outcome.better == "higher" else 1)
    counts = np.isfinite(values).sum(axis=0)
    place = places(median_of_known(values, axis=0))
    if len(values) < settings.least_blocks:
        return {name: Estimate(int(n), float(p)) for name, n, p in zip(known.columns, counts, place, strict=True)}
    drawn = places(np.column_stack([resampled([column], median_of_known, settings) for column in values.T]))
    tail = (1 - settings.confidence) / 2
    ends = np.nanquantile(drawn, [tail, 1 - tail], axis=0, method="closest_observation")
    return {
        name: Estimate(int(n), float(p), float(low), float(high), "percentile")
        if n >= settings.least_blocks
        else Estimate(int(n), float(p))
        for name, n, p, low, high in zip(known.columns, counts, place, *ends, strict=True)
    }


def places(medians: Array) -> Array:
    """Ranks of the conditions' medians, which lie along the last axis; one that is not known has none."""
    found: Array = stats.rankdata(medians, method="min", axis=-1, nan_policy="omit")
    return found


def trade(cells: pd.DataFrame, condition: str, against: str, settings: Intervals) -> Trade:
    saved = estimate(pairs(cells, SAVED, against, condition), difference_of_medians, settings)
    extra = estimate(pairs(cells, READ, condition, against), difference_of_medians, settings)
    return Trade(condition, against, saved, extra)


def difference_of_medians(above: Array, below: Array, axis: int = -1) -> Any:
    return np.median(above, axis=axis) - np.median(below, axis=axis)


def clearly(ratio: Estimate) -> int:
    """-1 where a ratio lies clearly below 1, 1 where clearly above: with its interval, and by more than TOLERANCE."""
    if ratio.high < 1 and ratio.value < 1 - TOLERANCE:
        return -1
    return int(ratio.low > 1 and ratio.value > 1 + TOLERANCE)


def disjoint(one: Estimate, other: Estimate) -> bool:
    """Whether two intervals have nothing in common, and the values differ by more than TOLERANCE of the larger; not
    where one is unknown. Forks of one snapshot may agree to the last fault: their intervals have no width then.
    """
    beyond = abs(one.value - other.value) > TOLERANCE * max(abs(one.value), abs(other.value))
    return beyond and (one.high < other.low or other.high < one.low)
