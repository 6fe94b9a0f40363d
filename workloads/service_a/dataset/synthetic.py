"""The employees database from a seed: our own rows, with the public one's schema, counts and row sizes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workloads.service_a.dataset import names
from workloads.service_a.dataset.careers import EPOCH, FOREVER, TITLES, Company, Spans, company, day
from workloads.service_a.dataset.scripts import SCHEMA, TAB_SEPARATED

Column = NDArray[np.bytes_]

GENERATOR = 1
"""Goes up with every change of what a seed yields."""

DEPARTMENTS = (
    "Accounting", "Communications", "Facilities", "Manufacturing", "Engineering", "Test and Certification",
    "Field Sales", "Laboratories", "Support",
)  # fmt: skip
DATES: Column = np.append((EPOCH + np.arange(FOREVER)).astype("S10"), b"9999-01-01")
NUMBERS: Column = np.arange(500_000).astype("S6")


@dataclass(frozen=True)
class Synthetic:
    """Rows that ``seed`` determines."""

    seed: int

    @property
    def source(self) -> Literal["synthetic"]:
        return "synthetic"

    @property
    def identity(self) -> str:
        return hashlib.sha256(f"{SCHEMA}\nsynthetic {GENERATOR} seed {self.seed}".encode()).hexdigest()

    @property
    def label(self) -> str:
        return f"employees, synthetic, seed {self.seed}"

    def write(self, directory: Path) -> list[str]:
        """Write a tab-separated file a table (about 110 MB in all, a few seconds)."""
        names = []
        for table, content in tables(self.seed):
            names.append(f"{table}{TAB_SEPARATED}")
            directory.joinpath(names[-1]).write_bytes(content)
        return names


def tables(seed: int) -> Iterator[tuple[str, bytes]]:
    """Every table's name and rows (tab-separated, in primary key order), in the order of EXPECTED_ROWS."""
    rows = company(seed)
    department = np.array([f"d{number:03d}" for number in range(1, len(DEPARTMENTS) + 1)], dtype="S4")

    def spans(what: Column, of: Spans) -> bytes:
        return tsv(NUMBERS[rows.people.number][of.person], what, DATES[of.start], DATES[of.end])

    yield "departments", tsv(department, np.array(DEPARTMENTS, dtype="S40"))
    yield "employees", tsv(*_employees(seed, rows))
    yield "dept_emp", spans(department[rows.departments.what], rows.departments)
    yield "dept_manager", spans(department[rows.managers.what], rows.managers)
    yield "titles", spans(np.array(TITLES, dtype="S")[rows.titles.what], rows.titles)
    yield "salaries", spans(NUMBERS[rows.salaries.what], rows.salaries)


def tsv(*columns: Column) -> bytes:
    """The columns as lines of tab-separated text.

    Rows are laid out at full width in one array, then the padding (NUL bytes) is dropped: no loop over rows.
    """
    fields: list[tuple[str, Any]] = []
    for index, column in enumerate(columns):
        fields += [(f"value{index}", column.dtype), (f"end{index}", "S1")]
    lines = np.zeros(len(columns[0]), dtype=fields)
    for index, column in enumerate(columns):
        lines[f"value{index}"] = column
        lines[f"end{index}"] = b"\n" if index == len(columns) - 1 else b"\t"
    padded: NDArray[np.uint8] = lines.view(np.uint8)
    text: bytes = padded[padded != 0].tobytes()
    return text


def _employees(seed: int, rows: Company) -> tuple[Column, ...]:
    rng = np.random.Generator(np.random.PCG64([seed, 3]))
    total = len(rows.people.number)
    first_names = np.array([names.MALE, names.FEMALE], dtype="S14")
    female = (rng.random(total) < 0.4).astype(np.int64)
    return (
        NUMBERS[rows.people.number],
        DATES[rng.integers(day("1952-02-01"), day("1965-02-01"), total, endpoint=True)],
        first_names[female, rng.integers(0, first_names.shape[1], total)],
        np.array(names.LAST, dtype="S16")[rng.integers(0, len(names.LAST), total)],
        np.array([b"M", b"F"])[female],
        DATES[rows.people.hired],
    )
