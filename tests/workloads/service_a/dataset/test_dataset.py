"""The dataset station: choice of source, verification, and the synthetic company."""

import hashlib
import itertools
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from testbed.errors import HostError, UsageError
from workloads.service_a.dataset import (
    EXPECTED_MD5,
    EXPECTED_ROWS,
    EXPECTED_TITLES,
    DatasetSettings,
    names,
    resolve,
    source,
    verify,
)
from workloads.service_a.dataset.careers import (
    CAREERS,
    FIRST_HIRE,
    FOREVER,
    LAST_HIRE,
    MANAGERS_PER_DEPARTMENT,
    TITLES,
    TODAY,
    YEAR,
    Company,
    Spans,
    company,
    day,
    employ,
)
from workloads.service_a.dataset.facts import CHECKSUM_COLUMNS, PUBLISHED_COMMIT
from workloads.service_a.dataset.synthetic import DEPARTMENTS, Synthetic, tables, tsv

SEED = 20
# A change of this digest is a change of the generator: raise synthetic.GENERATOR with it.
SHA256 = "589d35a9a253212c4dd3c87833a884381873e768dab95992284e3155be988f20"


def settings(choice: str, path: Path | None = None, seed: int = SEED) -> DatasetSettings:
    return DatasetSettings(
        source=choice,  # type: ignore[arg-type]
        path=str(path or ""),
        seed=seed,
        repository="https://127.0.0.1:1/test_db",
        commit=PUBLISHED_COMMIT,
        timeout_s=5.0,
    )


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def rows() -> Company:
    return company(SEED)


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    return dict(tables(SEED))


def spans(rows: Company) -> dict[str, Spans]:
    return {
        "dept_emp": rows.departments,
        "dept_manager": rows.managers,
        "titles": rows.titles,
        "salaries": rows.salaries,
    }


# --- the synthetic rows


def test_counts_are_the_public_ones(contents: dict[str, bytes]) -> None:
    assert {table: content.count(b"\n") for table, content in contents.items()} == dict(EXPECTED_ROWS)
    titles = Counter(line.split(b"\t")[1].decode() for line in contents["titles"].splitlines())
    assert titles == EXPECTED_TITLES


def test_a_seed_determines_every_byte(contents: dict[str, bytes]) -> None:
    digest = hashlib.sha256()
    for table, content in contents.items():
        digest.update(f"{table} {hashlib.sha256(content).hexdigest()}\n".encode())
    assert digest.hexdigest() == SHA256


def test_another_seed_gives_other_rows() -> None:
    one, other = (employ(np.random.Generator(np.random.PCG64(seed))) for seed in (1, 2))
    assert (one.number == other.number).all()
    assert (one.hired != other.hired).mean() > 0.9
    assert Synthetic(1).identity != Synthetic(2).identity
    assert Synthetic(1).label == "employees, synthetic, seed 1"


def test_employee_numbers_are_unique_and_sorted(rows: Company) -> None:
    numbers = rows.people.number
    assert numbers[0] == 10_001
    assert (np.diff(numbers) > 0).all()


def test_primary_keys_are_unique_and_rows_come_in_their_order(rows: Company) -> None:
    keys = {
        "dept_emp": rows.departments.person * 16 + rows.departments.what,
        "dept_manager": rows.managers.person * 16 + rows.managers.what,
        "titles": rows.titles.person * 16 + rows.titles.what,  # TITLES are in alphabetical order
        "salaries": rows.salaries.person * 2 * FOREVER + rows.salaries.start,
    }
    assert [table for table, key in keys.items() if not (np.diff(key) > 0).all()] == []
    assert list(TITLES) == sorted(TITLES)


def test_foreign_keys_lead_somewhere(rows: Company) -> None:
    people = len(rows.people.number)
    for table, span in spans(rows).items():
        assert span.person.min() >= 0 and span.person.max() < people, table
    for span in (rows.departments, rows.managers):
        assert set(np.unique(span.what)) == set(range(len(DEPARTMENTS)))


def test_dates_are_plausible(rows: Company) -> None:
    people = rows.people
    assert people.hired.min() == FIRST_HIRE and people.hired.max() <= LAST_HIRE
    assert ((people.left == FOREVER) | (people.left <= TODAY)).all()
    for table, span in spans(rows).items():
        assert (span.start < span.end).all(), table
        assert (span.start >= people.hired[span.person]).all(), table
        assert (span.end <= people.left[span.person]).all(), table
        assert span.start.max() <= TODAY, table


def test_everyone_has_a_title_a_department_and_a_salary_from_the_first_day_to_the_last(rows: Company) -> None:
    total = len(rows.people.number)
    for table in ("titles", "dept_emp", "salaries"):
        span = spans(rows)[table]
        held = np.bincount(span.person, weights=span.end - span.start, minlength=total)
        assert (held == rows.people.left - rows.people.hired).all(), table


def test_promotions_go_up_after_five_years(rows: Company) -> None:
    senior = {"Senior Staff": "Staff", "Senior Engineer": "Engineer", "Engineer": "Assistant Engineer"}
    held = list(zip(*(column.tolist() for column in rows.titles), strict=True))
    terms = {(person, TITLES[what]): (start, end) for person, what, start, end in held}
    managers = set(rows.managers.person.tolist())
    promoted = 0
    for (person, title), (start, _) in terms.items():
        before = terms.get((person, senior.get(title, "")))
        if before and person not in managers:
            promoted += 1
            assert before[1] == start >= before[0] + 5 * YEAR
    assert promoted == sum(count * (len(titles) - 1) for titles, count in CAREERS)


def test_salaries_stay_in_the_public_range_and_rise(rows: Company) -> None:
    pay = rows.salaries.what
    assert pay.min() > 30_000 and pay.max() < 160_000
    same = np.diff(rows.salaries.person) == 0
    assert 1_000 < np.diff(pay)[same].mean() < 3_000


def test_departments_are_led_without_a_gap(rows: Company) -> None:
    managers = rows.managers
    for department, count in enumerate(MANAGERS_PER_DEPARTMENT):
        starts, ends = managers.start[managers.what == department], managers.end[managers.what == department]
        assert len(starts) == count
        assert (starts[1:] == ends[:-1]).all() and ends[-1] == FOREVER


def test_days_and_names_fit_the_schema(contents: dict[str, bytes]) -> None:
    number, birth, first, last, gender, hired = contents["employees"].split(b"\n", 1)[0].split(b"\t")
    assert number == b"10001" and gender in b"MF"
    assert b"1952-02-01" <= birth <= b"1965-02-01" and b"1985-01-01" <= hired <= b"2000-01-28"
    assert (first.decode() in names.MALE) == (gender == b"M") and last.decode() in names.LAST
    assert max(map(len, names.MALE + names.FEMALE)) <= 14 and max(map(len, names.LAST)) <= 16
    assert not set(names.MALE) & set(names.FEMALE)
    assert b"\t9999-01-01\n" in contents["titles"]
    assert day("1952-01-02") == 1


def test_tsv_drops_the_padding_only() -> None:
    assert tsv(np.array([b"1", b"22"]), np.array([b"Senior Staff", b"x"])) == b"1\tSenior Staff\n22\tx\n"


def test_the_synthetic_rows_are_a_file_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ((table, b"1\n") for table in EXPECTED_ROWS)
    monkeypatch.setattr("workloads.service_a.dataset.synthetic.tables", lambda seed: few)
    assert Synthetic(1).write(tmp_path) == [f"{table}.tsv" for table in EXPECTED_ROWS]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        f"{table}.tsv": b"1\n" for table in EXPECTED_ROWS
    }


# --- the choice


def test_auto_falls_back_to_synthetic_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        dataset = resolve(settings("auto"), tmp_path)
    assert dataset == Synthetic(SEED)
    assert "cannot be downloaded" in caplog.text and "synthetic rows" in caplog.text


def test_auto_takes_the_path_and_never_replaces_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        resolve(settings("auto", tmp_path / "absent"), tmp_path)


def test_auto_downloads_before_it_generates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def found(*given: object) -> Synthetic:
        asked.append(given)
        return Synthetic(99)

    monkeypatch.setattr(source, "download", found)
    assert resolve(settings("auto"), tmp_path) == Synthetic(99)
    assert asked == [("https://127.0.0.1:1/test_db", PUBLISHED_COMMIT, tmp_path, 5.0)]


def test_a_download_that_was_asked_for_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be downloaded"):
        resolve(settings("download"), tmp_path)


def test_synthetic_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(source, "download")
    assert resolve(settings("synthetic", tmp_path / "absent"), tmp_path) == Synthetic(SEED)


# --- verification


def server(change: dict[str, str]) -> Callable[[str], str]:
    """A database with the public rows, except for what ``change`` says of a table, title or MD5."""

    def run_sql(sql: str) -> str:
        if "MD5" in sql:
            table = next(table for table, (columns, order) in CHECKSUM_COLUMNS.items()
                         if f"{columns})) FROM {table} ORDER BY {order};" in sql)  # fmt: skip
            return change.get(f"md5 {table}", EXPECTED_MD5[table]) + "\n"
        expected = EXPECTED_TITLES if "GROUP BY title" in sql else EXPECTED_ROWS
        answer = {name: change.get(name, str(count)) for name, count in expected.items()}
        return "".join(f"{name}\t{count}\n" for name, count in answer.items() if count != "0")

    return run_sql


@pytest.mark.parametrize("origin", ["path", "download", "synthetic"])
def test_verify_accepts_the_public_counts(origin: str) -> None:
    asked: list[str] = []

    def run_sql(sql: str) -> str:
        asked.append(sql)
        return server({})(sql)

    verify(run_sql, origin, "employees")
    assert len([sql for sql in asked if "MD5" in sql]) == (0 if origin == "synthetic" else 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"salaries": "2844046"}, "rows in salaries: expected 2844047, found 2844046"),
        ({"Manager": "0"}, "title 'Manager': expected 24, found none"),
        ({"md5 titles": "0" * 32}, f"MD5 of titles: expected {EXPECTED_MD5['titles']}, found {'0' * 32}"),
    ],
)
def test_verify_names_what_differs(change: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        verify(server(change), "path", "employees 1.0.6 (public)")


def test_facts_agree_with_each_other() -> None:
    assert sum(EXPECTED_TITLES.values()) == EXPECTED_ROWS["titles"]
    assert sum(MANAGERS_PER_DEPARTMENT) == EXPECTED_ROWS["dept_manager"] == EXPECTED_TITLES["Manager"]
    people = sum(count for _, count in CAREERS)
    assert people + EXPECTED_ROWS["dept_manager"] == EXPECTED_ROWS["employees"]
    steps = itertools.chain.from_iterable(titles * count for titles, count in CAREERS)
    # The 15 managers who came later were Staff before; the 15 who left office are Senior Staff.
    assert Counter(steps) + Counter({"Manager": 24, "Staff": 15, "Senior Staff": 15}) == EXPECTED_TITLES
