"""Checks that MariaDB holds the rows that the dataset promises."""

from collections.abc import Callable, Mapping

from testbed.errors import UsageError
from workloads.service_a.dataset.facts import CHECKSUM_COLUMNS, EXPECTED_MD5, EXPECTED_ROWS, EXPECTED_TITLES

RunSql = Callable[[str], str]
"""Runs SQL in the employees database, in a session of its own; answers tab-separated rows without header."""

HINT = "build the image again; if it stays so, choose another source under [dataset]"


def verify(run_sql: RunSql, source: str, label: str) -> None:
    """Count every table's and every title's rows; for the public data, compare its MD5 too.

    Raises UsageError naming the table, the value expected and the value found.
    """
    _compare(label, "rows in {}", EXPECTED_ROWS, _counts(run_sql(count_rows_sql())))
    titles = _counts(run_sql("SELECT title, COUNT(*) FROM titles GROUP BY title;"))
    _compare(label, "rows in titles with title '{}'", EXPECTED_TITLES, titles)
    if source != "synthetic":
        found = {table: run_sql(checksum_sql(table)).strip() for table in EXPECTED_MD5}
        _compare(label, "MD5 of {}", EXPECTED_MD5, found)


def count_rows_sql() -> str:
    """SQL that answers table and rows, a table a line."""
    counts = (f"SELECT '{table}', COUNT(*) FROM {table}" for table in EXPECTED_ROWS)  # noqa: S608 (our own names)
    return " UNION ALL ".join(counts) + ";"


def checksum_sql(table: str) -> str:
    """SQL that answers the last link of ``table``'s MD5 chain (method of test_employees_md5.sql).

    The links go into a temporary table, as a variable alone would send every row's link to the client.
    """
    columns, order = CHECKSUM_COLUMNS[table]
    return f"""
        SET @link = '';
        CREATE TEMPORARY TABLE chain (link CHAR(32)) ENGINE = Aria TRANSACTIONAL = 0;
        INSERT INTO chain SELECT @link := MD5(CONCAT_WS('#', @link, {columns})) FROM {table} ORDER BY {order};
        SELECT @link;
    """  # noqa: S608 (our own names)


def _counts(answer: str) -> dict[str, int]:
    rows = (line.rsplit("\t", 1) for line in answer.splitlines() if line)
    return {name: int(count) for name, count in rows}


def _compare(label: str, what: str, expected: Mapping[str, object], found: Mapping[str, object]) -> None:
    for name in {**expected, **found}:
        if expected.get(name, 0) != found.get(name, 0):
            raise UsageError(
                f"{label} was not loaded as expected: {what.format(name)}:"
                f" expected {expected.get(name, 'none')}, found {found.get(name, 'none')}",
                HINT,
            )
