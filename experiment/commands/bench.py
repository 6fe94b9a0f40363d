"""`run.py bench`: what the harness or the prefetcher costs."""

import argparse

from experiment import needs
from experiment.bench import growth, harness, prefetcher
from experiment.choices import configuration, numbers, refuse_no_file
from experiment.leftovers import open_cache
from experiment.terminal.console import Console
from testbed import host


def run(words: argparse.Namespace) -> int:
    console = Console()
    if words.out:
        refuse_no_file("--out", words.out)
    settings, sizes = configuration(words), numbers("--cells", words.cells)
    if words.of == "growth":  # without a guest
        open_cache(words.cache, console)
        return growth.main(settings, console, sizes, words.out)
    host.require(needs.of_run(words.cache, settings))
    cache = open_cache(words.cache, console)
    if words.of == "harness":
        return harness.main(settings, cache, console)
    return prefetcher.main(settings, cache, console, words.pairs, words.out)
