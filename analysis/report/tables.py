"""Writes a run's frames and what was computed from them as CSV."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from analysis.estimates.effects import Effect
from analysis.estimates.statistics import Estimate
from analysis.judgements.bars import Judgement, markdown
from analysis.judgements.claims import ClaimResult
from analysis.records.conditions import ordered_conditions
from analysis.records.frames import SYSTEM, key_of
from analysis.records.load import Run
from analysis.report.csv_files import inert, word, write_csv, write_rows
from analysis.report.suite_tables import suite_markdown, suite_table
from analysis.study import Study
from analysis.words.suite_findings import suite_sentences
from testbed.files.plain import write_text

ESTIMATE = ["blocks", "value", "low", "high", "method"]
SUMMARY = ["condition", "against", "outcome", "n", "median", "min", "max", "ratio"]
_NOT_OUTCOMES = ("replicate", "guests", "request_t", "first_byte_t", "response_t")


def write_tables(study: Study, folder: Path) -> list[Path]:
    """Writes the frames, a summary, and what was judged as ``folder``/NAME.csv; suites and bars as Markdown, too."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = study.frames
    tables = {
        "cells": frames.cells,
        "prefetch": frames.prefetch,
        "summary": summarise(frames.cells, study.against),
        "outcomes": study.cells,
        "effects": effects_table(study.comparisons),
        "claims": claims_table(study.claims),
    }
    written = [
        write_csv(frames.faults, folder / "faults.csv"),
        write_rows(SYSTEM, system_rows(study.run), folder / "system.csv"),
        *(write_csv(table, folder / f"{name}.csv") for name, table in tables.items()),
    ]
    for suite in study.suites:
        page = suite_markdown(suite, suite_sentences(suite, study.comparisons, study.bars), study.run, study.bars)
        written.append(write_csv(suite_table(suite), folder / f"suite-{suite.name}.csv"))
        written.append(write_text(page, folder / f"suite-{suite.name}.md"))
    if study.judged:
        written.append(write_csv(bars_table(study.judged), folder / "prefetcher.csv"))
        written.append(write_text(markdown(study.judged, study.bars, study.run), folder / "prefetcher.md"))
    return written


def system_rows(run: Run) -> Iterator[tuple[object, ...]]:
    """The rows of ``analysis.records.frames.system``, one after the other: of a large run there are millions."""
    for cell in run.cells:
        if cell.recording:
            head = tuple(inert(value) for value in key_of(run, cell).values())
            times = [word(t) for t in cell.recording.times.tolist()]
            for (scope, name), values in cell.recording.series.items():
                where = (inert(scope), inert(name))
                for t, value in zip(times, values.tolist(), strict=True):
                    yield *head, t, *where, word(value)


def effects_table(effects: Sequence[Effect]) -> pd.DataFrame:
    """A row a condition and outcome; the last ones are those of the A/A comparison."""
    columns = [
        "condition", "against", "outcome", "unit", "median", "median_against", *ESTIMATE, "p", "q", "effect_size",
    ]  # fmt: skip
    rows = [
        (e.condition, e.against, e.outcome.name, e.outcome.unit, e.median, e.median_against, *values(e.ratio), e.p, e.q,
         e.size)
        for e in effects
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def claims_table(claims: Sequence[ClaimResult]) -> pd.DataFrame:
    """A row a test of a claim."""
    columns = ["claim", "claim_verdict", "measure", "condition", "against", "at_least", "at_most", *ESTIMATE, "verdict"]
    rows = []
    for result in claims:
        for tested in result.tests:
            test = tested.expectation
            limits = (test.at_least, test.at_most)
            what = (result.claim.id, result.verdict, test.measure, test.condition, test.against)
            rows.append((*what, *limits, *values(tested.found), tested.verdict))
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


def summarise(cells: pd.DataFrame, against: Mapping[str, str]) -> pd.DataFrame:
    """Per condition and outcome, over valid cells in which the outcome is known: n, median, min, max, and the
    ratio of the median to that of the condition that ``against`` names (NaN without one, or where its median is 0).
    """
    valid = cells[cells["valid"].astype(bool)]
    outcomes = [name for name in cells.select_dtypes("number").columns if name not in _NOT_OUTCOMES]
    medians = {str(name): mine[outcomes].median() for name, mine in valid.groupby("condition")}
    rows = []
    for condition in ordered_conditions(cells):
        mine = valid[valid["condition"] == condition]
        for outcome in outcomes:
            values = mine[outcome].dropna()
            other = against.get(condition, "")
            reference = float(medians[other][outcome]) if other in medians else math.nan
            median = float(values.median())
            rows.append(
                {
                    "condition": condition,
                    "against": other,
                    "outcome": outcome,
                    "n": len(values),
                    "median": median,
                    "min": values.min(),
                    "max": values.max(),
                    "ratio": median / reference if reference else math.nan,
                }
            )
    return pd.DataFrame(rows, columns=SUMMARY)
