"""The grammar of rows: what is in it comes out as it was, and nothing else comes out."""

import string
import time
import tracemalloc
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from dumps import FEW, KINDS, Reader, Row, dump, literal, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.service_a.dataset import EXPECTED_ROWS
from workloads.service_a.dataset.rows import LONGEST, RowsError, grammars, tab_separated
from workloads.service_a.dataset.scripts import SCHEMA


def parsed(text: str | bytes, table: str, block: int = 1 << 16) -> list[Row]:
    content = text.encode() if isinstance(text, str) else text
    blocks = (content[at : at + block] for at in range(0, len(content), block))
    return rows_of(b"".join(tab_separated(blocks, table)))


def refused(text: str | bytes, table: str = "departments") -> RowsError:
    with pytest.raises(RowsError) as caught:
        parsed(text, table)
    return caught.value


def same(rows: list[Row]) -> list[tuple[str | None, ...]]:
    return [tuple(row) for row in rows]


def test_every_table_and_column_of_the_schema_has_its_grammar() -> None:
    columns = [line for line in SCHEMA.splitlines() if line.startswith("\t") and line[1].islower()]
    assert list(grammars()) == list(EXPECTED_ROWS) == list(KINDS)
    assert sum(len(grammar.columns) for grammar in grammars().values()) == len(columns)
    assert {name: len(grammar.columns) for name, grammar in grammars().items()} == {
        name: len(kinds) for name, kinds in KINDS.items()
    }


@pytest.mark.parametrize("table", KINDS)
def test_the_public_form_comes_out_as_it_was(table: str) -> None:
    assert same(parsed(dump(table, FEW[table]), table)) == same(FEW[table])


def test_statements_rows_and_comments_may_stand_as_they_like() -> None:
    text = (
        "-- departments\n\nINSERT INTO departments VALUES ('d001','A'),('d002','B') ,\r\n"
        "-- ('d004','no row')\n--\n\n( 'd003' ,\t'C'\n) ;INSERT\nINTO `departments`\tVALUES('d005','');\n-- the end"
    )
    assert same(parsed(text, "departments")) == [("d001", "A"), ("d002", "B"), ("d003", "C"), ("d005", "")]


@pytest.mark.parametrize("text", ["", "\n", "-- nothing\n", "-- nothing", " \n" * LONGEST])
def test_a_file_may_have_no_rows(text: str) -> None:
    assert parsed(text, "titles") == []


@pytest.mark.parametrize(
    "command",
    ["system id >/mnt/p;", "\\! id", "source /x", "\\. /x", "tee /x", "\\T /x", "pager cat", "\\P cat", "edit", "\\e",
     "delimiter //", "\\d //", "\\-", "\\C utf8", "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE titles;",
     "SELECT 1 INTO OUTFILE '/x';", "DROP DATABASE mysql;", "/*! SELECT 1 */;", "# comment", "--comment", "INSERT INTO",
     "INSERT INTO `titles` VALUES (1,'a','1999-01-01',NULL);", "INSERT INTO mysql.user VALUES ('d001','A');",
     "INSERT INTO `departments` SELECT 1;", "INSERT INTO `departments` VALUES ('d001',(SELECT 1));",
     "INSERT INTO `departments` VALUES;", "insert into departments values ('d001','A');", ";", "\0", "\ufeff"],
)  # fmt: skip
def test_whatever_else_a_client_or_a_server_obeys_is_refused_with_its_line(command: str) -> None:
    before = "INSERT INTO departments VALUES\n('d001','Marketing'),\n('d009','Support'); "
    assert refused(f"{before}{command}\n").line == 3
    assert refused(f"{before}\n{command}\n").line == 4
    assert refused(f"{command}\n{before}\n").line == 1


@pytest.mark.parametrize(
    ("table", "row", "line"),
    [
        ("departments", "('d001','A\\\\')", 2),
        ("departments", "('d001',\n'A\tB')", 2),
        ("departments", "('d001','A\nB')", 2),
        ("departments", "('d001','A\x7fB')", 2),
        ("departments", "('d001','A\x85B')", 2),
        ("departments", "('d001')", 2),
        ("departments", "('d001','A','B')", 2),
        ("departments", "('d0001','A')", 2),
        ("departments", f"('d001','{'x' * 41}')", 2),
        ("departments", "('d001',NULL)", 2),
        ("departments", "(1,'A')", 2),
        ("departments", '("d001","A")', 2),
        ("departments", "('d001','A' 'B')", 2),
        ("departments", "('d001','A'||'B')", 2),
        ("departments", "('d001',_utf8'A')", 2),
        ("departments", "('d001','A')('d002','B')", 2),
        ("departments", "('d001','A')\n\nsystem id", 4),
        ("departments", "('d001','A'),", 2),
        ("departments", "('d001','A'", 2),
        ("departments", "('d001','A", 2),
        ("salaries", "(1,2147483648,'1999-01-01','1999-01-01')", 2),
        ("salaries", "(-2147483649,1,'1999-01-01','1999-01-01')", 2),
        ("salaries", "(1,00000000001,'1999-01-01','1999-01-01')", 2),
        ("salaries", "(1,1.0,'1999-01-01','1999-01-01')", 2),
        ("salaries", "(1,1e3,'1999-01-01','1999-01-01')", 2),
        ("salaries", "(1,0x1,'1999-01-01','1999-01-01')", 2),
        ("salaries", "(1,+1,'1999-01-01','1999-01-01')", 2),
        ("salaries", "(1,'1','1999-01-01','1999-01-01')", 2),
        ("salaries", "(1,\u0661,'1999-01-01','1999-01-01')", 2),
        ("salaries", "(1,1,\n'1999-02-29','1999-01-01')", 3),
        ("salaries", "(1,1,'1999-01-01',\n\n'0000-00-00')", 4),
        ("salaries", "(1,1,'19990101','1999-01-01')", 2),
        ("salaries", "(1,1,'1999-1-01','1999-01-01')", 2),
        ("salaries", "(1,1,'1999-W01-1','1999-01-01')", 2),
        ("salaries", "(1,1,1999-01-01,'1999-01-01')", 2),
        ("salaries", "(1,1,NOW(),'1999-01-01')", 2),
        ("salaries", "(1,1,'1999-01-01',NULL)", 2),
        ("titles", "(1,'A',NULL,NULL)", 2),
        ("titles", "(1,'A','1999-01-01',null)", 2),
        ("employees", "(1,'1999-01-01','A','B','X','1999-01-01')", 2),
        ("employees", "(1,'1999-01-01','A','B','m','1999-01-01')", 2),
        ("employees", f"(1,'1999-01-01','{'x' * 15}','B','M','1999-01-01')", 2),
    ],
)
def test_a_value_that_its_column_lacks_is_refused_with_its_line(table: str, row: str, line: int) -> None:
    assert refused(f"INSERT INTO `{table}` VALUES\n{row};\n", table).line == line


def test_bytes_that_are_not_utf_8_are_refused_in_their_line() -> None:
    before = b"-- \n\nINSERT INTO departments VALUES ('d001','A'),\n"
    for bad in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xa7"):
        assert refused(before + b"('d002','" + bad + b"');\n").line == 4
        assert refused(before + b"-- " + bad + b"\n('d002','B');\n").line == 4


def test_the_fault_is_shown_by_its_beginning() -> None:
    assert refused("INSERT INTO departments VALUES ('d009','A'); system id\n").excerpt == "system id"
    assert refused("INSERT INTO departments VALUES ('d009','A'),").excerpt == "its end"
    assert refused(f"INSERT INTO departments VALUES ('d009','{'x' * 1000}');").excerpt == f"('d009','{'x' * 31}"


def test_two_quotes_are_one_and_a_length_is_in_characters() -> None:
    texts = ["''", "'", "O'Hara''s", "Ö" * 40, "'" * 40, "\U0001f600" * 40, r"N", "NULL"]
    assert same(parsed(dump("departments", [("d001", text) for text in texts]), "departments")) == [
        ("d001", text) for text in texts
    ]
    refused(dump("departments", [("d001", "'" * 41)]))


def test_every_day_there_is_and_no_other_is_a_date() -> None:
    days = [str(date(1896, 1, 1) + timedelta(number)) for number in range(366 * 9)]
    rows = [("1", "1", day, day) for day in days]
    assert same(parsed(dump("salaries", rows), "salaries")) == rows
    for year in (1900, 1999, 2000):
        for month in range(14):
            for day in (0, 28, 29, 30, 31, 32):
                text = f"{year}-{month:02}-{day:02}"
                content = dump("salaries", [("1", "1", text, "1999-01-01")])
                try:
                    date.fromisoformat(text)
                except ValueError:
                    refused(content, "salaries")
                else:
                    assert parsed(content, "salaries")


VALUES: dict[str, st.SearchStrategy[str | None]] = {
    "int": st.integers(-(2**31), 2**31 - 1).map(str),
    "date": st.dates().map(str),
    "date or null": st.none() | st.dates().map(str),
    "gender": st.sampled_from("MF"),
    **{
        f"char {length}": st.text(
            st.sampled_from("'\"`(),;- ") | st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\\"),
            max_size=length,
        )
        for length in (4, 14, 16, 40, 50)
    },
}
GAPS = st.sampled_from(["", "", " ", "\n", "\r\n", "\t", "\n-- x\n", " -- ('d001','A');\n--\n", "--\t\n\n"])


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, list[Row], str]:
    """A table, some rows of it, and a text that has them."""
    table = draw(st.sampled_from(list(KINDS)))
    rows: list[Row] = draw(st.lists(st.tuples(*(VALUES[kind] for kind in KINDS[table])), max_size=6))
    text, inside = draw(GAPS), False
    for row in rows:
        if not inside:
            text += f"INSERT INTO {table} VALUES"
        space = draw(st.sampled_from(["", "", " ", "\n", "\t\r"]))
        values = f"{space},{space}".join(map(literal, KINDS[table], row))
        inside = row is not rows[-1] and draw(st.booleans())
        text += f"{draw(GAPS)}({space}{values}{space}){space}{',' if inside else ';'}{draw(GAPS)}"
    return table, rows, text


@pytest.mark.whole
@settings(max_examples=300, deadline=None)
@given(made=texts(), block=st.integers(1, 50))
def test_whatever_is_in_the_grammar_comes_out_as_it_was(made: tuple[str, list[Row], str], block: int) -> None:
    table, rows, text = made
    assert same(parsed(text, table, block)) == same(rows)
    assert same(Reader(text, table).rows()) == same(rows)


@pytest.mark.whole
@settings(max_examples=1000, deadline=None)
@given(made=texts(), data=st.data())
def test_a_text_is_taken_only_as_another_reader_takes_it(made: tuple[str, list[Row], str], data: st.DataObject) -> None:
    table, _, text = made
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 3))
        new = data.draw(
            st.sampled_from([*string.printable, "''", "NULL", "\\!", "system id;", "-- ", "\0", "é", "\x85"])
        )
        text = text[:at] + new + text[at + cut :]
    expected: Any = None
    try:
        expected = same(Reader(text, table).rows())
    except (ValueError, IndexError):
        expected = RowsError
    try:
        found: Any = same(parsed(text, table, data.draw(st.integers(1, 100))))
    except RowsError:
        found = RowsError
    assert found == expected


def endless(row: bytes, count: int) -> Iterator[bytes]:
    yield b"INSERT INTO `salaries` VALUES "
    for _ in range(count):
        yield row * 1000
    yield row[:-1] + b";"


def test_memory_does_not_grow_with_the_file() -> None:
    peaks = []
    tracemalloc.start()
    for count in (10, 50):
        tracemalloc.reset_peak()
        blocks = endless(b"(10001,60117,'1986-06-26','1987-06-26'),", count)
        assert sum(lines.count(b"\n") for lines in tab_separated(blocks, "salaries")) == count * 1000 + 1
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("piece", [b"-", b"-- x", b"('d001','", b"('d001','A'", b"'", b"("])
def test_what_never_becomes_a_row_is_given_up_before_it_fills_the_memory(piece: bytes) -> None:
    read = 0

    def blocks() -> Iterator[bytes]:
        nonlocal read
        yield b"INSERT INTO departments VALUES "
        while True:
            read += 1
            yield piece * 1000

    began = time.process_time()
    with pytest.raises(RowsError):
        list(tab_separated(blocks(), "departments"))
    assert read < 2 + LONGEST / 1000
    assert time.process_time() - began < 5
