"""Writes a run's frames as CSV: whole files only (written aside, then renamed), same frames, same bytes."""

import math
import re
from pathlib import Path

import pandas as pd

from analysis.frames import Frames

BASELINE = "baseline"
FIRST = ("figure1", BASELINE)
SUMMARY = ["condition", "outcome", "n", "median", "min", "max", "ratio_to_baseline"]
_NOT_OUTCOMES = ("replicate", "request_t", "first_byte_t", "response_t")


def write_tables(frames: Frames, folder: Path) -> list[Path]:
    """Writes faults, system, cells, prefetch and summary as ``folder``/NAME.csv; the paths in that order."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "faults": frames.faults,
        "system": frames.system,
        "cells": frames.cells,
        "prefetch": frames.prefetch,
        "summary": summarise(frames.cells),
    }
    return [write_csv(table, folder / f"{name}.csv") for name, table in tables.items()]


def summarise(cells: pd.DataFrame) -> pd.DataFrame:
    """Per condition and outcome, over valid cells in which the outcome is known: n, median, min, max, and the
    ratio of the median to the baseline's (NaN without a baseline, or where its median is 0).
    """
    valid = cells[cells["valid"].astype(bool)]
    outcomes = [name for name in cells.select_dtypes("number").columns if name not in _NOT_OUTCOMES]
    baseline = valid[valid["condition"] == BASELINE]
    rows = []
    for condition in ordered_conditions(cells):
        mine = valid[valid["condition"] == condition]
        for outcome in outcomes:
            values = mine[outcome].dropna()
            reference = float(baseline[outcome].median())
            median = float(values.median())
            rows.append(
                {
                    "condition": condition,
                    "outcome": outcome,
                    "n": len(values),
                    "median": median,
                    "min": values.min(),
                    "max": values.max(),
                    "ratio_to_baseline": median / reference if reference else math.nan,
                }
            )
    return pd.DataFrame(rows, columns=SUMMARY)


def ordered_conditions(cells: pd.DataFrame) -> list[str]:
    """Every condition once: the paper's, the baseline, then by name, 4 before 16 (a plan is shuffled)."""
    names = set(cells["condition"])
    return [*(name for name in FIRST if name in names), *sorted(names - set(FIRST), key=_natural)]


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def write_csv(table: pd.DataFrame, path: Path) -> Path:
    # 15 digits: counts in full, no binary noise at the end of seconds.
    return write_text(table.to_csv(index=False, float_format="%.15g", lineterminator="\n"), path)


def write_text(text: str, path: Path) -> Path:
    """Aside, then renamed."""
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text(text)
    return aside.replace(path)
