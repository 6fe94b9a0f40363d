"""`run.py clean`: ends and removes what killed runs left behind; with --images, the images and snapshots, too."""

import time

from rich.console import Console
from rich.table import Table

from testbed import ledger
from testbed.cache import Cache, Entry


def main(cache: Cache, console: Console, *, empty_cache: bool, dry_run: bool) -> int:
    """Results are never touched, nor what a living process uses. Raises HostError if something cannot be removed."""
    found = leftovers(cache, dry_run=dry_run)
    for line in found:
        console.print(f"{'would remove' if dry_run else 'removed'} {line}")
    if not found:
        console.print("no killed run has left anything")
    if empty_cache:
        clean_cache(cache, console, dry_run=dry_run)
    return 0


def leftovers(cache: Cache, *, dry_run: bool = False) -> list[str]:
    """What killed runs have left, a line each; removed, but for ``dry_run``."""
    found = [described(left) for left in (ledger.leftovers if dry_run else ledger.reconcile)(cache.directory)]
    return found + [f"{folder}, half built" for folder in (cache.leftovers if dry_run else cache.remove_leftovers)()]


def clean_cache(cache: Cache, console: Console, *, dry_run: bool) -> None:
    """A table of everything in the cache, and what became of it."""
    table = Table(title=str(cache.directory))
    for heading in ("entry", "GB", "last used", ""):
        table.add_column(heading)
    freed = 0
    for entry in sorted(cache.entries(), key=lambda entry: entry.used):
        removed = not entry.in_use and (dry_run or cache.remove(entry))
        freed += entry.bytes if removed else 0
        table.add_row(*row(entry), ("would be removed" if dry_run else "removed") if removed else "in use, stays")
    console.print(table)
    console.print(f"{freed / 1e9:.1f} GB {'would be' if dry_run else 'are'} free again; the next run builds anew")


def row(entry: Entry) -> tuple[str, str, str]:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
    return entry.folder.name, f"{entry.bytes / 1e9:.2f}", used


def described(leftover: ledger.Leftover) -> str:
    """A leftover in a line: the folder, its size, and the processes that ran in it."""
    running = f", and {', '.join(f'process {pid}' for pid in leftover.processes)}" if leftover.processes else ""
    return f"{leftover.folder} ({leftover.bytes / 1e6:.1f} MB){running}"
