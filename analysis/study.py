"""Everything that is computed from a run's raw records, once: what tables, report, notebook and comparisons show."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.claims import ClaimResult, judge_claim
from analysis.conditions import AGAIN, BASELINE
from analysis.counters import DEFAULT_ROLES
from analysis.effects import Effect, effects, pairs, replicates_needed
from analysis.frames import Frames, make_frames
from analysis.load import Run, load_run
from analysis.outcomes import cell_outcomes
from analysis.paper import paper
from analysis.prefetcher import Judgement, judge
from experiment.bars import Bars

PILOT = "majflt_rdbms"  # the outcome that the number of replicates is planned for


@dataclass(frozen=True)
class Study:
    """``values``: the run's configuration, and ``manifest``, as plain JSON. ``cells``: the outcomes, a row a cell.

    ``effects``: every condition against the baseline; ``same``: the A/A comparison, corrected by itself. ``needed``:
    by condition, how many replicates would show the effect seen on PILOT; None: not to be said.
    """

    run: Run
    bars: Bars
    values: Mapping[str, Any]
    manifest: Mapping[str, Any]
    frames: Frames
    cells: pd.DataFrame
    effects: tuple[Effect, ...]
    same: tuple[Effect, ...]
    claims: tuple[ClaimResult, ...]
    judged: tuple[Judgement, ...]
    needed: Mapping[str, int | None]

    @property
    def conditions(self) -> list[str]:
        """In the order of the plan's configuration, as far as they are planned."""
        planned = set(self.cells["condition"])
        known = [name for name in self.values.get("condition", {}) if name in planned]
        return known + sorted(planned - set(known))


def study(run_dir: Path, bars: Bars, roles: Mapping[str, str] = DEFAULT_ROLES) -> Study:
    """Raises UsageError if ``run_dir`` is no readable run; see ``run.problems`` for single cells."""
    run = load_run(run_dir)
    values = read_configuration(run_dir)
    frames = make_frames(run, roles)
    cells = cell_outcomes(frames, bars.reference, bars.before_request_s)
    others = [name for name in dict.fromkeys(cells["condition"]) if name not in (BASELINE, AGAIN)]
    there = BASELINE in set(cells["condition"])
    return Study(
        run=run,
        bars=bars,
        values=values,
        manifest=json.loads((run_dir / "manifest.json").read_text()),
        frames=frames,
        cells=cells,
        effects=tuple(effects(cells, BASELINE, bars, others)) if there else (),
        same=tuple(effects(cells, BASELINE, bars, [AGAIN])) if there and AGAIN in set(cells["condition"]) else (),
        claims=tuple(judge_claim(claim, frames, cells, values, bars) for claim in paper().claim),
        judged=tuple(judge(cells, bars)),
        needed={name: needed(cells, name) for name in others} if there else {},
    )


def needed(cells: pd.DataFrame, condition: str) -> int | None:
    mine, its = pairs(cells, PILOT, condition, BASELINE)
    return replicates_needed(mine, its)


def read_configuration(run_dir: Path) -> dict[str, Any]:
    """As it was written; {} where it cannot be read: then the report leaves out what it would say."""
    try:
        return tomllib.loads((run_dir / "configuration.toml").read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}
