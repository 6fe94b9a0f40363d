"""`run.py certificate`: a key and a certificate for --tls."""

import argparse
import shlex

from experiment.places import certificate
from experiment.terminal.console import Console


def run(words: argparse.Namespace) -> int:
    console = Console()
    certificate.make(words.folder, words.days)
    folder = shlex.quote(str(words.folder))
    console.print(f"each host, by a way that nobody listens to: scp -pr {folder} HOST:")
    console.print(f"the scheduler: python run.py scheduler --tls {folder} tls://HOST:8786")
    console.print(
        f"workers: python run.py worker --tls {folder} tls://HOST:8786; "
        f"the run: python run.py --tls {folder} --scheduler tls://HOST:8786"
    )
    return 0
