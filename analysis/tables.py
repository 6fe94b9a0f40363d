"""Writes a run's frames and what was computed from them as CSV."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.claims import ClaimResult
from analysis.conditions import BASELINE, ordered_conditions
from analysis.effects import Effect
from analysis.files import write_csv, write_text
from analysis.prefetcher import Judgement, markdown
from analysis.statistics import Estimate
from analysis.study import Study

ESTIMATE = ["blocks", "value", "low", "high", "method"]
SUMMARY = ["condition", "outcome", "n", "median", "min", "max", "ratio_to_baseline"]
_NOT_OUTCOMES = ("replicate", "request_t", "first_byte_t", "response_t")


def write_tables(study: Study, folder: Path) -> list[Path]:
    """Writes the frames, a summary, and what was judged as ``folder``/NAME.csv, and the bars as markdown, too."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = study.frames
    tables = {
        "faults": frames.faults,
        "system": frames.system,
        "cells": frames.cells,
        "prefetch": frames.prefetch,
        "summary": summarise(frames.cells),
        "outcomes": study.cells,
        "effects": effects_table([*study.effects, *study.same]),
        "claims": claims_table(study.claims),
    }
    written = [write_csv(table, folder / f"{name}.csv") for name, table in tables.items()]
    if study.judged:
        written.append(write_csv(bars_table(study.judged), folder / "prefetcher.csv"))
        written.append(write_text(markdown(study.judged, study.bars, study.run), folder / "prefetcher.md"))
    return written


def effects_table(effects: Sequence[Effect]) -> pd.DataFrame:
    """A row a condition and outcome; the last ones are those of the A/A comparison."""
    columns = ["condition", "outcome", "unit", "median", "baseline", *ESTIMATE, "p", "q", "effect_size"]
    rows = [
        (e.condition, e.outcome.name, e.outcome.unit, e.median, e.baseline, *values(e.ratio), e.p, e.q, e.size)
        for e in effects
    ]
    return pd.DataFrame(rows, columns=columns)


def claims_table(claims: Sequence[ClaimResult]) -> pd.DataFrame:
    """A row a test of a claim."""
    columns = ["claim", "claim_verdict", "measure", "condition", "against", "at_least", "at_most", *ESTIMATE, "verdict"]
    rows = []
    for result in claims:
        for finding in result.findings:
            test = finding.expectation
            limits = (test.at_least, test.at_most)
            what = (result.claim.id, result.verdict, test.measure, test.condition, test.against)
            rows.append((*what, *limits, *values(finding.found), finding.verdict))
    return pd.DataFrame(rows, columns=columns)


def bars_table(judged: Sequence[Judgement]) -> pd.DataFrame:
    columns = ["disk", "outcome", "unit", "baseline", "prefetch", *ESTIMATE, "bar", "verdict"]
    rows = [
        (row.disk, row.outcome, row.unit, row.baseline, row.prefetch, *values(row.found), row.bar, row.verdict)
        for row in judged
    ]
    return pd.DataFrame(rows, columns=columns)


def values(found: Estimate) -> tuple[int, float, float, float, str]:
    return found.blocks, found.value, found.low, found.high, found.method


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
