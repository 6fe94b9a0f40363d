"""What the command line's words stand for: configuration, cache, needs of this host."""

import argparse
import logging
from pathlib import Path

from rich.console import Console

from experiment import cleaning
from experiment.config import Configuration, load
from experiment.difference import differences
from experiment.store import Store
from testbed import host, ledger
from testbed.cache import Cache
from testbed.errors import UsageError

log = logging.getLogger(__name__)

QUICK = {"conditions": ["baseline", "working-set"], "replicates": 1}
CACHE_GIB, MEMORY_GIB = 8, 2  # memory besides the guests'
GUEST_GIB = 1


def open_cache(given: argparse.Namespace, console: Console) -> Cache:
    """The cache, after what killed runs have left is cleared up. From here on this process has a ledger."""
    cache = Cache(given.cache)
    ledger.begin(cache.directory)
    clear_up(cache, console)
    return cache


def clear_up(cache: Cache, console: Console) -> None:
    for line in cleaning.leftovers(cache):
        console.print(f"a killed run had left {line}: removed")


def configuration(given: argparse.Namespace) -> Configuration:
    """experiments.toml with the command line's changes. Raises UsageError."""
    run_changes: dict[str, object] = dict(QUICK) if given.quick else {}
    if given.suite is not None:
        run_changes["suite"] = names(given.suite)
    if given.conditions is not None:
        run_changes["conditions"] = names(given.conditions)
    if given.replicates is not None:
        run_changes["replicates"] = given.replicates
    if given.seed is not None:
        run_changes["seed"] = given.seed
    changes = {"run": run_changes}
    if given.accel:
        changes["testbed"] = {"accelerator": given.accel}
    if given.like is None:
        return load(given.config, changes)
    store = Store.open(given.results, given.like)
    store.configuration()  # refuses one that was changed since the run began
    settings = load(given.config, changes, store.folder / "configuration.toml")
    for line in differences(load(given.config), settings):
        log.warning("as run %s, not as %s: %s", store.run, given.config.name, line)
    return settings


def names(words: str) -> list[str]:
    return [name.strip() for name in words.split(",") if name.strip()]


def numbers(option: str, words: str) -> list[int]:
    """Raises UsageError."""
    try:
        return [int(word) for word in names(words)]
    except ValueError as error:
        raise UsageError(f"{option} {words}: expected whole numbers, separated by commas") from error


def needs(cache: Path, guests: int = 1) -> list[host.Need]:
    """To run so many at a time."""
    return [*host.tools(cache), host.disk_space(cache, CACHE_GIB), host.memory(MEMORY_GIB + guests * GUEST_GIB)]


def dataset_need(settings: Configuration) -> host.Need:
    section = settings.dataset
    if section.source == "path" or (section.source == "auto" and section.path):
        there = bool(section.path) and Path(section.path).expanduser().exists()
        found = section.path if there else f"dataset.path ({section.path!r}) is not there"
        return host.Need("dataset", there, found, "set dataset.path in experiments.toml")
    if section.source in ("auto", "synthetic"):
        return host.Need("dataset", True, "synthetic rows if the public ones cannot be downloaded", "")
    return host.Need("dataset", True, f"will be downloaded from {section.repository}", "")
