"""Files that are written whole or not at all: aside, then renamed. The same content gives the same bytes."""

from pathlib import Path

import pandas as pd


def write_csv(table: pd.DataFrame, path: Path) -> Path:
    # 15 digits: counts in full, no binary noise at the end of seconds.
    return write_text(table.to_csv(index=False, float_format="%.15g", lineterminator="\n"), path)


def write_text(text: str, path: Path) -> Path:
    """Aside, then renamed. In UTF-8, whatever the locale; what has no place in it becomes "?"."""
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text(text, encoding="utf-8", errors="replace")
    return aside.replace(path)
