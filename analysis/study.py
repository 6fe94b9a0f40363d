"""Everything that is computed from a run's raw records, once: what tables, report, notebook and comparisons show."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.estimates.effects import Effect, effects, pairs, replicates_needed
from analysis.estimates.outcomes import cell_outcomes
from analysis.estimates.suites import Suite, suites
from analysis.judgements.bars import Judgement, judge
from analysis.judgements.claims import ClaimResult, judge_claim
from analysis.judgements.paper import paper
from analysis.records.conditions import AGAIN, BASELINE, compared, skipped
from analysis.records.counters import DEFAULT_ROLES
from analysis.records.frames import Frames, make_frames
from analysis.records.load import Cell, Run, load_run, read_manifest
from configuration.bars import Bars
from measure.journal import Advance
from testbed.files.documents import MOST_TOML, Fault, parse_toml, read_bounded

PILOT = "majflt_rdbms"  # the outcome that the number of replicates is planned for


@dataclass(frozen=True)
class Study:
    """``values``: the run's configuration, and ``manifest``, as plain JSON. ``cells``: the outcomes, a row a cell.

    ``against``: what each condition is compared with. ``effects``: these comparisons; ``same``: the A/A comparison,
    corrected by itself. ``needed``: by condition, how many replicates would show the effect seen on PILOT; None: not to
    be said. ``skipped``: by condition, what the guest lacks for it.
    """

    run: Run
    bars: Bars
    values: Mapping[str, Any]
    manifest: Mapping[str, Any]
    frames: Frames
    cells: pd.DataFrame
    against: Mapping[str, str]
    effects: tuple[Effect, ...]
    same: tuple[Effect, ...]
    claims: tuple[ClaimResult, ...]
    judged: tuple[Judgement, ...]
    needed: Mapping[str, int | None]
    suites: tuple[Suite, ...]
    skipped: Mapping[str, str]

    @property
    def comparisons(self) -> tuple[Effect, ...]:
        """Of every condition with its own other one; the last are those of the A/A comparison."""
        return self.effects + self.same

    @property
    def undone(self) -> list[tuple[Cell, Advance]]:
        """What was begun before the request and went wrong: the cell, and the record."""
        return [(cell, advance) for cell in self.run.cells for advance in cell.advances if not advance.ok]

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
    manifest = read_manifest(run_dir)
    against = compared(values, cells["condition"])
    others = {name: other for name, other in against.items() if name != AGAIN}
    found = tuple(effects(cells, others, bars))
    same = tuple(effects(cells, {AGAIN: BASELINE}, bars)) if AGAIN in against else ()
    return Study(
        run=run,
        bars=bars,
        values=values,
        manifest=manifest,
        frames=frames,
        cells=cells,
        against=against,
        effects=found,
        same=same,
        claims=tuple(judge_claim(claim, frames, cells, values, bars) for claim in paper().claim),
        judged=tuple(judge(cells, bars)),
        needed={name: needed(cells, name, other) for name, other in others.items()},
        suites=tuple(suites(manifest, values, frames.cells, cells, [*found, *same], bars)),
        skipped=skipped(frames.cells),
    )


def needed(cells: pd.DataFrame, condition: str, against: str) -> int | None:
    mine, its = pairs(cells, PILOT, condition, against)
    return replicates_needed(mine, its)


def read_configuration(run_dir: Path) -> dict[str, Any]:
    """As it was written; {} where it cannot be read: then the report leaves out what it would say."""
    try:
        return parse_toml(read_bounded(run_dir / "configuration.toml", MOST_TOML))
    except (OSError, Fault):
        return {}
