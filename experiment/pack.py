"""`run.py pack`: a copy of a run that is small enough to be committed or sent, and reported like the run itself."""

import gzip
import re
import shutil
from pathlib import Path

from analysis.redraw import redraw
from analysis.study import study
from experiment.reading import settings_of
from experiment.store import Store
from testbed.errors import UsageError

# Of a cell, what is large; of the tables, the one that is.
STREAMS = ("samples.jsonl", "prefetch.jsonl", "alpha.jsonl", "console.log")
LARGE_TABLE = "system.csv"
KEPT = ("configuration.toml", "plan.json", "manifest.json")
DOMAIN = "domain.xml"


def pack(store: Store, target: Path) -> Path:
    """Copies records (failed attempts, too) and draws the rest anew. Raises UsageError if ``target`` is there."""
    if target.exists():
        raise UsageError(f"{target} is there already", "name a folder that is not")
    aside = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name in KEPT:
        shutil.copyfile(store.folder / name, aside / name)
    for part in ("cells", "failed"):
        for path in sorted((store.folder / part).rglob("*")):
            copy = aside / path.relative_to(store.folder)
            if path.is_file() and not path.is_symlink():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
                if path.name in STREAMS:
                    compress(copy)
                elif path.name == DOMAIN:
                    copy.write_text(without_place(copy.read_text()))
    aside.rename(target)
    settings = settings_of(store)
    redraw(study(target, settings.bars, settings.roles))
    compress(target / "tables" / LARGE_TABLE)
    return target


def without_place(domain: str) -> str:
    """Where the cache lies is nobody's business but this machine's."""
    kernel = re.search(r"<kernel>(/.*)/[^/<]+/[^/<]+</kernel>", domain)
    return domain.replace(f"{kernel[1]}/", "CACHE/") if kernel else domain


def compress(path: Path) -> None:
    """In place, as NAME.gz; undated, so that the same content gives the same bytes."""
    with path.with_name(f"{path.name}.gz").open("wb") as file, gzip.GzipFile("", "wb", mtime=0, fileobj=file) as packed:
        packed.write(path.read_bytes())
    path.unlink()
