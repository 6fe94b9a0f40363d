"""`run.py worker`: a worker for other hosts' runs, until its scheduler is gone or Ctrl-C."""

import argparse

from analysis.estimates.numbers import several
from configuration.load import SHIPPED, load
from experiment import needs
from experiment.places.access import Access
from experiment.places.extra import dask
from experiment.terminal.console import Console
from testbed import host


def run(words: argparse.Namespace) -> int:
    access = Access(words.address, words.tls, words.let_anyone_in)
    host.require(needs.of_run(words.cache, load(SHIPPED), words.guests))
    with dask():
        from experiment.places.worker import Offer, serve
    guests = several(words.guests, "guest")
    Console().print(f"worker of {access.address}: {guests} at a time; Ctrl-C ends it")
    serve(access, Offer(words.guests, words.host, words.port), words.cache, words.cache_limit)
    return 0
