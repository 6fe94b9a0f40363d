"""`run.py report`: a run's tables, figures and report, written again without a guest."""

import argparse
import logging
import webbrowser

from analysis.redraw import REPORT, redraw
from experiment.open_run import open_study
from experiment.terminal.console import Console

log = logging.getLogger(__name__)


def run(words: argparse.Namespace) -> int:
    console, found = Console(), open_study(words.results, words.run)
    for problem in found.run.problems:
        log.warning("%s", problem)
    for path in redraw(found):
        console.print(str(path))
    page = found.run.path / REPORT
    if words.open and not webbrowser.open(page.as_uri()):
        console.print(f"there is no browser here: open {page}")
    return 0
