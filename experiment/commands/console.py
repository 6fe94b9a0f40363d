"""`run.py console`: what a cell's guest wrote to its console, failed attempts too."""

import argparse
from collections.abc import Callable
from pathlib import Path

from configuration.plan import Cell
from experiment.cell import REHEARSAL
from experiment.run_folder import Store
from measure.journal import CONSOLE, read_end
from measure.packed import Damaged, read_stored
from testbed.errors import UsageError, printable
from testbed.supervision.watch import CONSOLE_BYTES


def run(words: argparse.Namespace) -> int:
    show_console(Store.open(words.results, words.run), words.cell, print)
    return 0


def show_console(store: Store, cell_name: str, out: Callable[[str], None]) -> None:
    """Print what a cell's guest wrote to its console; all attempts at the cell, newest last, if some failed.

    Raises UsageError if there is no such cell or it was not run.
    """
    attempts = [
        folder
        for attempt in attempts_at(store, store.cell(cell_name))
        for folder in (attempt / REHEARSAL, attempt)
        if folder.is_dir()
    ]
    if not attempts:
        raise UsageError(f"cell {cell_name} of run {store.run} was not run", f"python run.py --resume {store.run}")
    for folder in attempts:
        if len(attempts) > 1:
            out(f"==> {folder.relative_to(store.folder)}: {verdict(folder)}")
        out(console_of(folder))


def attempts_at(store: Store, cell: Cell) -> list[Path]:
    """The folders of the attempts at a cell that there are, oldest first."""
    failed = [path for path in (store.folder / "failed").glob(f"{cell.name}.*") if path.suffix[1:].isdecimal()]
    failed.sort(key=lambda path: int(path.suffix[1:]))
    return [folder for folder in (*failed, store.cell_folder(cell)) if folder.is_dir()]


def verdict(folder: Path) -> str:
    """Why an attempt does not count, in one line."""
    end = read_end(folder)
    if end is None:
        return "has no end"
    reason = printable(end.reason).partition("\n")[0]
    return reason or ("counts" if end.valid else "does not count")


def console_of(folder: Path) -> str:
    """An attempt's console as text that a terminal does not obey; packed runs have it compressed."""
    try:
        raw = read_stored(folder / CONSOLE, CONSOLE_BYTES)
    except FileNotFoundError:
        return "(no console was kept)"
    except (OSError, Damaged) as error:
        return f"(the console cannot be read: {printable(str(error))})"
    lines = raw.decode(errors="replace").expandtabs().splitlines()
    return "\n".join(printable(line) for line in lines) or "(the console is empty)"
