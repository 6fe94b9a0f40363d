"""Files that are written whole or not at all: aside, then renamed. The same content gives the same bytes."""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pandas as pd

DIGITS = ".15g"  # counts in full, no binary noise at the end of seconds


def write_csv(table: pd.DataFrame, path: Path) -> Path:
    return write_text(table.to_csv(index=False, float_format=f"%{DIGITS}", lineterminator="\n"), path)


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], path: Path) -> Path:
    """The same of a table that is never in memory as a whole. Floats in ``rows`` are words that ``word`` made."""
    with aside(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def word(value: float) -> str:
    """As it stands in a table; what is not known is blank."""
    return "" if math.isnan(value) else f"{value:{DIGITS}}"


def write_text(text: str, path: Path) -> Path:
    with aside(path) as file:
        file.write(text)
    return path


@contextmanager
def aside(path: Path) -> Iterator[TextIO]:
    """Has its name only once it is whole. In UTF-8, whatever the locale; what has no place in it becomes "?"."""
    other = path.with_name(f".{path.name}.tmp")
    try:
        with other.open("w", encoding="utf-8", errors="replace", newline="") as file:
            yield file
        other.replace(path)
    finally:
        other.unlink(missing_ok=True)
