"""`run.py doctor`: what this host has, what it lacks, and how to get it."""

import argparse

from configuration.load import load
from experiment import needs
from experiment.terminal.console import Console
from testbed import host
from testbed.errors import HostError


def run(words: argparse.Namespace) -> int:
    """Exit code 3 if something required is not there."""
    console = Console()
    found = [*needs.of_run(words.cache, load(words.config)), needs.of_cache(words.cache)]
    ready = host.show(found, lambda line: console.print(line))
    console.print("this host is ready" if ready else "this host is not ready: make setup")
    return 0 if ready else HostError.exit_code
