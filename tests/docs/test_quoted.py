"""The numbers that the documents quote from the committed runs are those of the runs' tables. No guest."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from analysis.estimates.numbers import number
from testbed.process import PROJECT

RESULTS = PROJECT / "results"
LINK = re.compile(r"\((?:\.\./)?results/(\w+)/\)")
TABLES = (PROJECT / "README.md", PROJECT / "docs" / "results.md")
EXAMPLE = re.compile(
    r"^\| `([\d., \[\]]+)` \| `(tables/[\w-]+\.csv)`: "
    r"condition `([\w-]+)`, outcome `(\w+)`: `(\w+)`, `(\w+)`, `(\w+)` \|$",
    re.MULTILINE,
)
# Columns of their tables: the outcome, the unit behind it.
COUNTED = {
    "RDBMS major faults": "majflt_rdbms",
    "service A's": "majflt_service",
    "httpd": "majflt_httpd",
    "query.cgi": "majflt_query.cgi",
}
MEGABYTES = {"read": "read_whole_mb", "held while idle": "idle_mb"}
PLAIN = {"used of what was fetched": "precision", "fetched of what was needed": "coverage"}
RATIOS = {"time to first byte, ratio": "first_byte_s", "time to response, ratio": "response_s"}
NOT_NUMBERS = {"condition", "what", "fetches", "disks", "circumstances", "compared with"}
RUNS = ("reference", "controls", "peers", "disks", "sweep")
OTHER_TOPOLOGY = "other topology"

Row = Mapping[Any, Any]  # of a table, by column


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def quoted() -> list[tuple[str, dict[str, str]]]:
    """The rows of the tables of conditions: the run, and the cells by their headings."""
    found: list[tuple[str, dict[str, str]]] = []
    name, heads = "", [""]
    for line in "\n".join(path.read_text() for path in TABLES).splitlines():
        if link := LINK.search(line):
            name = link[1]
        if not line.startswith("|"):
            heads = [""]
        elif heads == [""]:
            heads = cells(line)
        elif not line.startswith("| ---") and "RDBMS major faults" in heads:
            found.append((name, dict(zip(heads, cells(line), strict=True))))
    return found


def estimate(row: Row, value: str, low: str, high: str) -> str:
    text = number(row[value])
    return text if pd.isna(row[low]) else f"{text} [{number(row[low])}, {number(row[high])}]"


def table(name: str) -> dict[tuple[str, str], Row]:
    """Of a run, by condition and outcome: the rows of its suite, and medians of all other outcomes."""
    (path,) = (RESULTS / name / "tables").glob("suite-*.csv")
    suite = pd.read_csv(path)
    summary = pd.read_csv(RESULTS / name / "tables" / "summary.csv")
    rest = summary[~summary["outcome"].isin(suite["outcome"])]
    return by_outcome(pd.concat([suite, rest]))


def by_outcome(rows: pd.DataFrame) -> dict[tuple[str, str], Row]:
    return {(row["condition"], row["outcome"]): row for row in rows.to_dict("records")}


def expected(known: Mapping[tuple[str, str], Row], condition: str, head: str, told: str) -> str:
    if told == OTHER_TOPOLOGY:
        return told
    if head in RATIOS:
        row = known[condition, RATIOS[head]]
        return "1" if pd.isna(row["ratio"]) else estimate(row, "ratio", "ratio_low", "ratio_high")
    outcome = {**COUNTED, **MEGABYTES, **PLAIN}[head]
    row = known[condition, outcome]
    if "[" in told:
        return estimate(row, "median", "low", "high")
    return number(row["median"]) + " MB" * (head in MEGABYTES)


def test_each_row_is_that_of_the_committed_run() -> None:
    rows = quoted()
    assert {name for name, _ in rows} == set(RUNS)
    known = {name: table(name) for name in RUNS}
    wrong = []
    for name, row in rows:
        condition = row["condition"].split("`")[1]
        wanted = {
            head: told if head in NOT_NUMBERS else expected(known[name], condition, head, told)
            for head, told in row.items()
        }
        if wanted != row:
            wrong.append(f"{name}: | {' | '.join(wanted.values())} |")
    assert wrong == []


@pytest.mark.parametrize("name", ["controls", "peers", "disks", "sweep"])
def test_no_condition_of_a_suite_is_left_out(name: str) -> None:
    told = {row["condition"].split("`")[1] for run, row in quoted() if run == name}
    assert told == set(pd.read_csv(RESULTS / name / "tables" / f"suite-{name}.csv")["condition"])


def test_the_bars_told_of_the_prefetcher_are_those_of_the_committed_run() -> None:
    text = (PROJECT / "prefetch" / "README.md").read_text()
    told = [row for row in map(cells, text.splitlines()) if row[-1].strip("*") in ("met", "missed")]
    assert len(told) > 15
    bars = (RESULTS / "disks" / "tables" / "prefetcher.md").read_text()
    known = [as_told(cells(line)) for line in bars.splitlines() if line.startswith("| ")]
    assert [row for row in told if row not in known] == []


def test_the_example_of_reading_results_stands_where_it_says() -> None:
    text = (PROJECT / "docs" / "reading-results.md").read_text()
    rows = [found.groups() for found in EXAMPLE.finditer(text)]
    assert len(rows) == 4
    for told, path, condition, outcome, *columns in rows:
        outcomes = by_outcome(pd.read_csv(RESULTS / "reference" / path))
        assert estimate(outcomes[condition, outcome], *columns) == told


def as_told(row: list[str]) -> list[str]:
    """A row of tables/prefetcher.md as prefetch/README.md has it: the unit behind the values, no stars."""
    disk, head, _, baseline, prefetch, value, bar, verdict = row
    outcome, _, unit = head.removesuffix("]").partition(" [")
    medians = ["" if median == "-" else f"{median} {unit}".strip() for median in (baseline, prefetch)]
    which = [] if disk == "unthrottled" else [disk.removeprefix("iops-")]
    marked = f"**{verdict}**" if verdict == "missed" else verdict
    return [*which, outcome, *medians, value.replace("]*", "]"), bar, marked]
