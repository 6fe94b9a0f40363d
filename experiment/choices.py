"""What the command line's words choose: folders, configuration, cache."""

import argparse
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

from configuration.difference import differences
from configuration.load import SHIPPED, Configuration, load
from experiment.run_folder import Store
from testbed.cache import default_cache
from testbed.errors import UsageError, nearest
from testbed.process import PROJECT

log = logging.getLogger(__name__)

QUICK = ("baseline", "working-set")


def placed(words: argparse.Namespace) -> argparse.Namespace:
    """With the folders and the configuration that are meant where nothing is said."""
    home = PROJECT if (PROJECT / "pyproject.toml").exists() else Path.cwd()  # else the package was installed
    usual = {"config": SHIPPED, "results": home / "results", "cache": default_cache()}
    return argparse.Namespace(**{**vars(words), **{key: vars(words)[key] or usual[key] for key in usual}})


def configuration(words: argparse.Namespace) -> Configuration:
    """experiments.toml with the command line's changes. Raises UsageError."""
    if words.quick and (words.suite or words.conditions or words.replicates):
        raise UsageError("--quick has conditions and replicates of its own", "leave it out, or the others")
    local = load(words.config)
    settings = local
    if words.like is not None:
        store = Store.open(words.results, words.like)
        settings = store.configuration().on_the_host_of(local)
        for line in differences(local, settings):
            log.warning("as run %s, not as %s: %s", store.run, words.config.name, line)
    run: dict[str, object] = {"conditions": QUICK, "replicates": 1} if words.quick else {}
    if words.suite is not None:
        run["suite"] = known("--suite", words.suite, settings.suite, "suite")
    if words.conditions is not None:
        run["conditions"] = known("--conditions", words.conditions, settings.condition, "condition")
    run |= {key: vars(words)[key] for key in ("replicates", "seed") if vars(words)[key] is not None}
    return settings.changed("run", run).changed("testbed", {"accelerator": words.accel} if words.accel else {})


def known(option: str, listed: str, there: Iterable[str], what: str) -> tuple[str, ...]:
    """The names that an option lists, each once. Raises UsageError for one that is not there."""
    wanted, found = names(listed), list(there)
    for name in wanted:
        if name not in found:
            raise UsageError(f"{option}: there is no {what} {name!r}{nearest(name, found)}", "python run.py --dry-run")
    if not wanted or len(set(wanted)) != len(wanted):
        problem = f"a {what} is named twice" if wanted else f"no {what} is named"
        raise UsageError(f"{option} {listed}: {problem}", f"{option} {','.join(found[:2])}")
    return tuple(wanted)


def names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]


def numbers(option: str, listed: str) -> list[int]:
    """Raises UsageError."""
    found = names(listed)
    if not found or not all(re.fullmatch("0*[1-9][0-9]{0,5}", word) for word in found):
        message = f"{option} {listed[:80]}: expected whole numbers from 1 to 999999, separated by commas"
        raise UsageError(message, f"{option} 10,100")
    return [int(word) for word in found]


def refuse_no_file(option: str, path: Path) -> None:
    """Raises UsageError for a place where no file can be written, before hours are spent on its content."""
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent}", "make it, or name another")
    if path.exists() and not path.is_file():
        raise UsageError(f"{option} {path}: it is no regular file", "name another")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{option} {path}: it cannot be written", "name another")
