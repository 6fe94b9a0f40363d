"""A run's records, opened to be read: with its own configuration, or with today's where that is of another version."""

import logging
from pathlib import Path

from analysis.study import Study, study
from configuration.load import SHIPPED, Configuration, load
from experiment.run_folder import Store
from testbed.errors import UsageError

log = logging.getLogger(__name__)


def settings_of(store: Store) -> Configuration:
    """How the run's processes are told apart and its intervals made."""
    try:
        return store.configuration()
    except UsageError as error:
        first, *more = str(error).splitlines()
        others = f" (and {len(more)} more)" if more else ""
        log.warning("%s%s", first, others)
        log.warning("run %s is of another version: its roles and intervals are those of %s", store.run, SHIPPED.name)
        return load(SHIPPED)


def open_study(results: Path, name: str) -> Study:
    """``name``: a run's name, its path, or "latest". Raises UsageError if there is no such run."""
    store = Store.open(results, name)
    settings = settings_of(store)
    return study(store.folder, settings.bars, settings.roles)
