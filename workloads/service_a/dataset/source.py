"""Chooses the source of the rows, and says aloud which."""

import logging
from pathlib import Path
from typing import Protocol

from testbed.errors import HostError, UsageError
from workloads.service_a.dataset.download import download
from workloads.service_a.dataset.published import Published, open_published
from workloads.service_a.dataset.settings import DatasetSettings
from workloads.service_a.dataset.synthetic import Synthetic

log = logging.getLogger(__name__)


class Dataset(Protocol):
    """Rows for the employees database."""

    @property
    def source(self) -> str:
        """``path``, ``download`` or ``synthetic``."""

    @property
    def identity(self) -> str:
        """SHA-256 (hex) of all that determines what the database will hold, schema included."""

    @property
    def label(self) -> str:
        """What figures and reports call it."""

    def write(self, directory: Path) -> list[str]:
        """Write files with rows into ``directory``; return their names, which scripts.py explains, in loading order."""


def resolve(settings: DatasetSettings, cache: Path) -> Dataset:
    """The dataset that ``settings`` ask for; archives are unpacked below ``cache``.

    Raises UsageError if ``path`` is not the employees database, HostError if a download that was asked for
    fails. Under ``auto`` a failed download falls back to the synthetic rows, with a warning.
    """
    dataset = _choose(settings, cache)
    log.info("dataset: %s (source %s, %s)", dataset.label, dataset.source, dataset.identity[:12])
    return dataset


def _choose(settings: DatasetSettings, cache: Path) -> Dataset:
    if settings.source == "synthetic":
        return Synthetic(settings.seed)
    if settings.is_path:
        if not settings.path:
            raise UsageError('source = "path" needs the setting path', "set path under [dataset]")
        return open_published(settings.place, cache)
    if settings.source == "download":
        return _downloaded(settings, cache)
    try:
        return _downloaded(settings, cache)
    except HostError as error:
        log.warning("dataset: %s; going on with synthetic rows of the same counts", error.args[0])
        return Synthetic(settings.seed)


def _downloaded(settings: DatasetSettings, cache: Path) -> Published:
    return download(settings.repository, settings.commit, cache, settings.timeout_s)
