"""`run.py scheduler`: the scheduler of a distributed run, until Ctrl-C."""

import argparse

from experiment.places.access import Access
from experiment.places.extra import dask
from experiment.terminal.console import Console


def run(words: argparse.Namespace) -> int:
    console, access = Console(), Access(words.address, words.tls, words.let_anyone_in)
    with dask():
        from experiment.places.listening import serve
    serve(access, words.cache, lambda line: console.print(line))
    return 0
