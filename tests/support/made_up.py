"""Outcomes of cells made up for tests: known medians, without a run's files."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.estimates.effects import effects
from analysis.estimates.outcomes import OUTCOMES
from analysis.estimates.suites import Suite, suites
from analysis.records.conditions import AGAIN, compared
from configuration.bars import Intervals

JITTER = (0.0, 0.011, -0.013, 0.005, -0.007, 0.017, -0.019, 0.003)  # of the blocks, in this order


class Settings(Intervals):
    """As tests have them unless they say otherwise; every test that needs intervals takes these."""

    confidence: float = 0.95
    resamples: int = 199
    seed: int = 1
    least_blocks: int = 5


def cells(
    medians: Mapping[str, Mapping[str, float]], blocks: int = 8, *, invalid: Iterable[tuple[str, int]] = ()
) -> pd.DataFrame:
    """A cell of each condition and block: every outcome is 100 unless ``medians`` has it by condition, and a little
    different in each. ``invalid``: conditions and blocks of cells that do not count.
    """
    left_out = set(invalid)
    rows = []
    for place, (condition, known) in enumerate(medians.items()):
        for block in range(1, blocks + 1):
            apart = 1 + JITTER[(block + 3 * place) % len(JITTER)]
            values = {outcome.name: known.get(outcome.name, 100.0) * apart for outcome in OUTCOMES}
            valid = (condition, block) not in left_out
            state = "complete" if valid else "incomplete"
            row = {"condition": condition, "replicate": block, "valid": valid, "state": state, "reason": "", **values}
            rows.append(row)
    return pd.DataFrame(rows)


def skip(frame: pd.DataFrame, condition: str, reason: str) -> pd.DataFrame:
    """With all cells of a condition skipped."""
    frame = frame.copy()
    mine = frame["condition"] == condition
    frame.loc[mine, ["state", "reason"]] = ["skipped", reason]
    frame.loc[mine, "valid"] = False
    frame.loc[mine, [outcome.name for outcome in OUTCOMES]] = math.nan
    return frame


def one_suite(
    frame: pd.DataFrame,
    conditions: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    name: str = "controls",
    names: Sequence[str] | None = None,
    settings: Settings | None = None,
) -> tuple[Suite, list[Any]]:
    """A suite of all conditions of the frame, or of ``names``; and all effects. ``conditions``: their settings."""
    planned = list(dict.fromkeys(frame["condition"]))
    values = {
        "condition": {one: dict((conditions or {}).get(one, {})) for one in planned},
        "suite": {name: {"answers": "Why?", "conditions": list(names or planned)}},
    }
    chosen = settings or Settings()
    against = compared(values, planned)
    found = effects(frame, {one: other for one, other in against.items() if one != AGAIN}, chosen)
    found += effects(frame, {AGAIN: against[AGAIN]}, chosen) if AGAIN in against else []
    (made,) = suites({"suite": {"names": [name]}}, values, frame, frame, found, chosen)
    return made, found
