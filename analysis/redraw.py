"""Everything that can be computed from a run's raw records, again: tables, figures, report; without a guest."""

from pathlib import Path

from analysis.figures.cells import draw_figures
from analysis.figures.suites import draw_suite
from analysis.report.page import write_report
from analysis.report.tables import write_tables
from analysis.study import Study

REPORT = "report.html"


def redraw(found: Study) -> list[Path]:
    """Writes tables/*.{csv,md}, figures/*.{png,svg} and report.html into the run's folder; the paths.

    Works on a run that is still growing: cells not run yet are left out, a figure without data is not drawn.
    """
    folder = found.run.path
    tables = write_tables(found, folder / "tables")
    figures = draw_figures(found.frames, found.run, folder / "figures")
    of_suites = {
        suite.name: draw_suite(suite, found.cells, found.run, found.frames.cells, folder / "figures")
        for suite in found.suites
    }
    report = write_report(found, figures, of_suites, folder / REPORT)
    drawn = [*figures, *(figure for mine in of_suites.values() for figure in mine)]
    return [*tables, *(path for figure in drawn for path in (figure.png, figure.svg)), report]
