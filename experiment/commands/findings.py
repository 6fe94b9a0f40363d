"""`run.py findings`: what a run says of the paper's proposal, in sentences (Markdown)."""

import argparse

from analysis.words.findings import findings
from experiment.open_run import open_study
from experiment.run_folder import Store


def run(words: argparse.Namespace) -> int:
    name = Store.open(words.results, words.run).run
    print(findings(open_study(words.results, words.run), name), end="")
    return 0
