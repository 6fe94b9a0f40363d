"""Tables as CSV. The same content gives the same bytes; names that others chose are data to whatever opens them."""

import csv
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from testbed.errors import printable
from testbed.files.plain import aside, write_text

DIGITS = ".15g"  # counts in full, no binary noise at the end of seconds
# What a spreadsheet takes for the beginning of a formula, also after what some take for the end of a cell (OWASP).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
INNER = re.compile(r"([;|]\s*)(?=[=+@\uff1d\uff0b\uff20]|-[^\s\d])")


def write_csv(table: pd.DataFrame, path: Path) -> Path:
    words = table.copy(deep=False)
    for place, column in enumerate(words.columns):
        if not is_numeric_dtype(words.dtypes.iloc[place]):
            words[column] = words[column].map(inert)
    words.columns = pd.Index([inert(name) for name in words.columns])
    return write_text(words.to_csv(index=False, float_format=f"%{DIGITS}", lineterminator="\n"), path)


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], path: Path) -> Path:
    """The same of a table that is never in memory as a whole: ``rows`` hold what ``word`` and ``inert`` made."""
    with aside(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def word(value: float) -> str:
    """As it stands in a table; what is not known is blank."""
    return "" if math.isnan(value) else f"{value:{DIGITS}}"


def inert(value: Any) -> Any:
    """A word that no terminal obeys and no spreadsheet computes: a formula gets an apostrophe in front."""
    if not isinstance(value, str):
        return value
    text = INNER.sub(r"\1'", printable(value).replace("\n", " "))
    return f"'{text}" if text.startswith(FORMULA) and not is_number(text) else text


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
