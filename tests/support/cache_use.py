"""What the tests of the cache have in common."""

import gc
from pathlib import Path

from testbed.cache import Cache, Entry


def forget() -> None:
    """Whoever uses a cache lets go of it, as at the end of a process."""
    for found in gc.get_objects():
        if isinstance(found, Cache):
            found.release()


def write_content(folder: Path) -> None:
    (folder / "content").write_text("x")


def never(_folder: Path) -> None:
    raise AssertionError("it is there")


def only(cache: Cache) -> Entry:
    (entry,) = cache.entries()
    return entry
