"""Everything that can be computed from a run's raw records, again: tables and figures, without a guest."""

from collections.abc import Mapping
from pathlib import Path

from analysis.counters import DEFAULT_ROLES
from analysis.figures import draw_figures
from analysis.frames import make_frames
from analysis.load import load_run
from analysis.prefetcher import write_prefetcher
from analysis.tables import write_tables
from experiment.bars import Bars


def redraw(run_dir: Path, roles: Mapping[str, str] = DEFAULT_ROLES, bars: Bars | None = None) -> list[Path]:
    """Writes ``run_dir``/tables/*.{csv,md} and ``run_dir``/figures/*.{png,svg}; the paths written.

    ``roles`` maps a process's comm to its role; without ``bars`` the prefetcher is not judged. Works on a run that is
    still growing: cells not run yet are left out, a figure without data is not drawn. Raises UsageError if ``run_dir``
    is no readable run.
    """
    run = load_run(run_dir)
    frames = make_frames(run, roles)
    tables = write_tables(frames, run_dir / "tables")
    judged = write_prefetcher(frames, bars, run, run_dir / "tables") if bars else []
    return [*tables, *judged, *draw_figures(frames, run, run_dir / "figures")]
