"""`run.py clean`: ends and removes what killed runs left behind; with --images, the images and snapshots, too."""

import time
from collections.abc import Sequence

from rich.console import Console

from experiment.terminal.table import show, table_of
from testbed import ledger
from testbed.cache import Cache, Entry


def main(cache: Cache, console: Console, *, images: bool, dry_run: bool) -> int:
    """What is to go is said first. Results are never touched, nor what a living process uses.

    Raises HostError if something cannot be removed.
    """
    found = leftovers(cache, dry_run=True)
    for line in found:
        console.print(f"{'would remove' if dry_run else 'removing'} {line}")
    if not found:
        console.print("no killed run has left anything")
    entries = sorted(cache.entries(), key=lambda entry: entry.used) if images else []
    if images:
        fate = "would be removed" if dry_run else "is removed"
        rows = [(*row(entry), "in use, stays" if entry.in_use else fate) for entry in entries]
        show(console, table_of(("entry", "GB", "last used", ""), rows, title=str(cache.directory), right=(1,)))
    if dry_run:
        console.print(f"nothing was removed: {gigabytes(entries)} would be free again")
        return 0
    leftovers(cache)
    removed = [entry for entry in entries if not entry.in_use and cache.remove(entry)]
    if images:
        console.print(f"{gigabytes(removed)} are free again; the next run builds anew")
    return 0


def gigabytes(entries: Sequence[Entry]) -> str:
    return f"{sum(entry.bytes for entry in entries if not entry.in_use) / 1e9:.1f} GB"


def leftovers(cache: Cache, *, dry_run: bool = False) -> list[str]:
    """What killed runs have left, a line each; removed, but for ``dry_run``."""
    found = [described(left) for left in (ledger.leftovers if dry_run else ledger.reconcile)(cache.directory)]
    return found + [f"{folder}, half built" for folder in (cache.leftovers if dry_run else cache.remove_leftovers)()]


def row(entry: Entry) -> tuple[str, str, str]:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
    return entry.folder.name, f"{entry.bytes / 1e9:.2f}", used


def described(leftover: ledger.Leftover) -> str:
    """A leftover in a line: the folder, its size, and the processes that ran in it."""
    running = f", and {', '.join(f'process {pid}' for pid in leftover.processes)}" if leftover.processes else ""
    return f"{leftover.folder} ({leftover.bytes / 1e6:.1f} MB){running}"
