"""`run.py clean`: ends and removes what killed runs left behind; with --images, the images and snapshots, too."""

import argparse
import time
from collections.abc import Sequence

from experiment.leftovers import leftovers
from experiment.terminal.console import Console
from experiment.terminal.table import show, table_of
from testbed.cache import Cache, Entry


def run(words: argparse.Namespace) -> int:
    """What is to go is said first. Results are never touched, nor what a living process uses.

    Raises HostError if something cannot be removed.
    """
    cache, console = Cache(words.cache), Console()
    images, dry_run = words.images, words.dry_run
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


def row(entry: Entry) -> tuple[str, str, str]:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
    return entry.folder.name, f"{entry.bytes / 1e9:.2f}", used
