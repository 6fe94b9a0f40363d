"""What this host must have for a run, besides what the testbed needs."""

from pathlib import Path

from configuration.load import Configuration
from testbed import host
from testbed.errors import HostError
from testbed.files import ownership

CACHE_GIB, MEMORY_GIB = 8, 2  # memory besides the guests'


def of_run(cache: Path, settings: Configuration, guests: int = 1) -> list[host.Need]:
    """To run so many guests at a time."""
    shared = (host.disk_space(cache, CACHE_GIB), memory(settings.guest.memory_mib, guests))
    return [*host.tools(cache), *shared, dataset(settings)]


def of_cache(cache: Path) -> host.Need:
    try:
        return host.Need("cache", True, str(ownership.require_place(cache)), "")
    except HostError as error:
        return host.Need("cache", False, error.args[0], error.hint or "")


def memory(memory_mib: int, guests: int) -> host.Need:
    return host.memory(MEMORY_GIB, memory_mib / 1024, guests)


def dataset(settings: Configuration) -> host.Need:
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
