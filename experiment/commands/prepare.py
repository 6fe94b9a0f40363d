"""`run.py prepare`: image and warm snapshots of a plan's conditions, so that a run can begin at once."""

import argparse

from configuration.plan import bases, make_plan
from experiment import needs
from experiment.building.prepare import prepare
from experiment.choices import configuration
from experiment.leftovers import open_cache
from experiment.progress import Progress
from experiment.terminal.console import Console
from testbed import host


def run(words: argparse.Namespace) -> int:
    console, settings = Console(), configuration(words)
    host.require(needs.of_run(words.cache, settings))
    cache = open_cache(words.cache, console)
    with Progress(console, settings.roles, 0, 0) as progress:
        prepared = prepare(cache, settings, bases(settings, make_plan(settings).cells), progress)
    for snapshot in prepared.snapshots.values():
        console.print(str(snapshot.folder))
    return 0
