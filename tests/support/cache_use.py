"""What the tests of the cache have in common."""

from pathlib import Path

from testbed import cache as module
from testbed.cache import Cache, Entry


def forget() -> None:
    """Hold nothing, like a new process."""
    while module.held:
        module.held.popitem()[1].close()


def write_content(folder: Path) -> None:
    (folder / "content").write_text("x")


def never(_folder: Path) -> None:
    raise AssertionError("it is there")


def only(cache: Cache) -> Entry:
    (entry,) = cache.entries()
    return entry
