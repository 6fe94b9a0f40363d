"""The [dataset] table of experiments.toml, as this station takes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class DatasetSettings:
    """Which source the rows come from, and what each source needs.

    ``auto`` takes ``path`` if it is set, else the download if it answers in time, else the generator.
    """

    source: Literal["auto", "path", "download", "synthetic"]
    path: Path | None
    """A checkout, or an archive of one."""
    seed: int
    """Of the generator; not negative."""
    repository: str
    commit: str
    """All 40 hex digits."""
    timeout_s: float
    """How long a download may keep silent, in seconds."""
