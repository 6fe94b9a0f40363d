"""`run.py findings`: what a run says of the paper's proposal, in sentences (Markdown)."""

import argparse

from analysis.words.findings import findings
from experiment.open_run import open_study


def run(words: argparse.Namespace) -> int:
    found = open_study(words.results, words.run)
    print(findings(found, found.run.path.name), end="")
    return 0
