"""What the harness has to know of a service: one object in the deploy.py of its folder, one line of services.py."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from testbed.cache import Cache
from testbed.section import Section
from testbed.ssh.shell import File, Shell


class Stage(Protocol):
    def __call__(self, cache: Cache, root: Path, database: Path, title: str, limit_s: float) -> Path:
        """The folder of the cache with data.tar and expected.json, made from the root's and service A's database's."""


@dataclass(frozen=True)
class Service:
    """Programs in the guest that answer the request of request.py, which alpha pushes out meanwhile.

    ``settings``: the model of its section of experiments.toml. ``files``: what it consists of besides packages and
    data, by its settings and the title that it asks for. ``wait_ready``: waits in a container, or on the guest
    itself, for so many seconds, and raises GuestError then. ``stage``: makes its data; None: they are service A's
    database as it is.
    """

    settings: type[Section]
    files: Callable[[Any, str], list[File]]
    wait_ready: Callable[[Shell, str | None, float], None]
    stage: Stage | None = None
