"""What the command line's words stand for: configuration, cache, needs of this host."""

import argparse
import logging
import re
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from configuration.difference import differences
from configuration.load import SHIPPED, Configuration, load
from experiment.commands import clean
from experiment.run_folder import Store
from testbed import host, ledger
from testbed.cache import Cache, default_cache
from testbed.errors import HostError, UsageError, nearest
from testbed.files import ownership
from testbed.process import PROJECT

log = logging.getLogger(__name__)

QUICK = ("baseline", "working-set")
CACHE_GIB, MEMORY_GIB = 8, 2  # memory besides the guests'


def placed(given: argparse.Namespace) -> argparse.Namespace:
    """With the folders and the configuration that are meant where nothing is said."""
    home = PROJECT if (PROJECT / "pyproject.toml").exists() else Path.cwd()  # else the package was installed
    usual = {"config": SHIPPED, "results": home / "results", "cache": default_cache()}
    return argparse.Namespace(**{**vars(given), **{key: vars(given)[key] or usual[key] for key in usual}})


def open_cache(given: argparse.Namespace, console: Console) -> Cache:
    """The cache, after what killed runs have left is cleared up. From here on this process has a ledger."""
    cache = Cache(given.cache)
    ledger.begin(cache.directory)
    clear_up(cache, console)
    return cache


def clear_up(cache: Cache, console: Console) -> None:
    for line in clean.leftovers(cache):
        console.print(f"a killed run had left {line}: removed")


def configuration(given: argparse.Namespace) -> Configuration:
    """experiments.toml with the command line's changes. Raises UsageError."""
    if given.quick and (given.suite or given.conditions or given.replicates):
        raise UsageError("--quick has conditions and replicates of its own", "leave it out, or the others")
    local = load(given.config)
    settings = local
    if given.like is not None:
        store = Store.open(given.results, given.like)
        settings = store.configuration().on_the_host_of(local)
        for line in differences(local, settings):
            log.warning("as run %s, not as %s: %s", store.run, given.config.name, line)
    run: dict[str, object] = {"conditions": QUICK, "replicates": 1} if given.quick else {}
    if given.suite is not None:
        run["suite"] = known("--suite", given.suite, settings.suite, "suite")
    if given.conditions is not None:
        run["conditions"] = known("--conditions", given.conditions, settings.condition, "condition")
    run |= {key: vars(given)[key] for key in ("replicates", "seed") if vars(given)[key] is not None}
    return settings.changed("run", run).changed("testbed", {"accelerator": given.accel} if given.accel else {})


def known(option: str, words: str, there: Iterable[str], what: str) -> tuple[str, ...]:
    """The names in the words of an option, each once. Raises UsageError for one that is not there."""
    wanted, found = names(words), list(there)
    for name in wanted:
        if name not in found:
            raise UsageError(f"{option}: there is no {what} {name!r}{nearest(name, found)}", "python run.py --dry-run")
    if not wanted or len(set(wanted)) != len(wanted):
        problem = f"a {what} is named twice" if wanted else f"no {what} is named"
        raise UsageError(f"{option} {words}: {problem}", f"{option} {','.join(found[:2])}")
    return tuple(wanted)


def names(words: str) -> list[str]:
    return [name.strip() for name in words.split(",") if name.strip()]


def numbers(option: str, words: str) -> list[int]:
    """Raises UsageError."""
    found = names(words)
    if not found or not all(re.fullmatch("0*[1-9][0-9]{0,5}", word) for word in found):
        message = f"{option} {words[:80]}: expected whole numbers from 1 to 999999, separated by commas"
        raise UsageError(message, f"{option} 10,100")
    return [int(word) for word in found]


def needs(cache: Path, settings: Configuration, guests: int = 1) -> list[host.Need]:
    """To run so many guests at a time."""
    memory = memory_need(settings.guest.memory_mib, guests)
    return [*host.tools(cache), host.disk_space(cache, CACHE_GIB), memory, dataset_need(settings)]


def cache_need(cache: Path) -> host.Need:
    try:
        return host.Need("cache", True, str(ownership.require_place(cache)), "")
    except HostError as error:
        return host.Need("cache", False, error.args[0], error.hint or "")


def memory_need(memory_mib: int, guests: int) -> host.Need:
    return host.memory(MEMORY_GIB, memory_mib / 1024, guests)


def dataset_need(settings: Configuration) -> host.Need:
    section = settings.dataset
    if section.is_path:
        try:
            there = bool(section.path) and section.place.exists()
        except (OSError, RuntimeError, ValueError):  # too long, of no such user, with a NUL byte
            there = False
        found = section.path if there else f"dataset.path ({section.path!r}) is not there"
        return host.Need("dataset", there, found, "set dataset.path in experiments.toml")
    if section.source in ("auto", "synthetic"):
        return host.Need("dataset", True, "synthetic rows if the public ones cannot be downloaded", "")
    return host.Need("dataset", True, f"will be downloaded from {section.repository}", "")
