"""What killed runs have left behind: found, said, removed; and the cache, opened once that is done."""

from pathlib import Path

from rich.console import Console

from testbed import ledger
from testbed.cache import Cache


def open_cache(directory: Path, console: Console) -> Cache:
    """The cache, after what killed runs have left is cleared up. From here on this process has a ledger."""
    cache = Cache(directory)
    ledger.begin(cache.directory)
    clear_up(cache, console)
    return cache


def clear_up(cache: Cache, console: Console) -> None:
    for line in leftovers(cache):
        console.print(f"a killed run had left {line}: removed")


def leftovers(cache: Cache, *, dry_run: bool = False) -> list[str]:
    """What killed runs have left, a line each; removed, but for ``dry_run``."""
    found = [described(left) for left in (ledger.leftovers if dry_run else ledger.reconcile)(cache.directory)]
    return found + [f"{folder}, half built" for folder in (cache.leftovers if dry_run else cache.remove_leftovers)()]


def described(leftover: ledger.Leftover) -> str:
    """A leftover in a line: the folder, its size, and the processes that ran in it."""
    running = f", and {', '.join(f'process {pid}' for pid in leftover.processes)}" if leftover.processes else ""
    return f"{leftover.folder} ({leftover.bytes / 1e6:.1f} MB){running}"
