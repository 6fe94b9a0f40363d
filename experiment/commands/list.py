"""`run.py list`: the runs that there are, a line each."""

import argparse
import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from analysis.judgements.claims import VERDICTS
from configuration.plan_file import read_plan
from experiment.run_folder import LATEST, Store
from experiment.terminal.console import Console
from experiment.terminal.table import show, table_of
from testbed.errors import UsageError, printable
from testbed.files.documents import Fault, read_bounded

CLAIMS = Path("tables") / "claims.csv"
HEADINGS = ("run", "date", "suite", "cells that count", "claims")


@dataclass(frozen=True)
class Row:
    """What is said of a run, as words."""

    run: str
    date: str = ""
    suite: str = ""
    cells: str = ""
    claims: str = ""


def run(words: argparse.Namespace) -> int:
    """The oldest first. A folder that is no readable run is listed with what is wrong with it."""
    results, console = words.results, Console()
    if (results.exists() and not results.is_dir()) or (results.is_symlink() and not results.exists()):
        raise UsageError(f"--results {results} is no folder", "name one that is")
    folders = sorted(path.parent for path in results.glob("*/plan.json") if not path.parent.is_symlink())
    if not folders:
        console.print(f"there is no run in {results} yet: python run.py makes one")
        return 0
    rows = sorted((row_of(folder, latest=is_latest(folder)) for folder in folders), key=lambda row: (row.date, row.run))
    show(console, table_of(HEADINGS, [(row.run, row.date, row.suite, row.cells, row.claims) for row in rows]))
    return 0


def is_latest(folder: Path) -> bool:
    try:
        return (folder.parent / LATEST).samefile(folder)
    except OSError:  # there is none, or it leads nowhere
        return False


def row_of(folder: Path, *, latest: bool = False) -> Row:
    name = printable(folder.name).replace("\n", " ") + (" (latest)" if latest else "")
    try:
        store = Store.at(folder)
        cells = store.plan().cells
        manifest = store.manifest()
        read_plan(folder / "plan.json")
    except UsageError as error:
        return Row(name, claims=error.args[0].removeprefix(f"{folder}/"))
    except OSError as error:
        return Row(name, claims=error.strerror or str(error))
    names = (manifest.get("suite") or {}).get("names")
    count = sum(store.is_done(cell) for cell in cells)
    date = str(manifest.get("created", ""))[:16].replace("T", " ")
    return Row(
        name,
        date,
        ", ".join(map(str, names)) if isinstance(names, list) and names else "own",
        f"{count} of {len(cells)}",
        verdicts(folder),
    )


def verdicts(folder: Path) -> str:
    """How many claims have which verdict, as the run's own table says."""
    try:
        text = read_bounded(folder / CLAIMS).decode(errors="replace")
    except (OSError, Fault):
        return "not drawn yet"
    claims = {row.get("claim"): row.get("claim_verdict") for row in csv.DictReader(io.StringIO(text))}
    counts = Counter(claims.values())
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]) or "none asked"
