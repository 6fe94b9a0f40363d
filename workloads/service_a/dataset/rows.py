"""Rows in the public dumps' form, read by a whole grammar and written again in a form of our own. Pure.

    file       = { statement }
    statement  = "INSERT INTO" table "VALUES" row { "," row } ";"
    row        = "(" value { "," value } ")"
    value      = integer | "'" { character | "''" } "'" | "NULL"

Between all of them there may be white space; between rows and statements there may be comments, too, from ``-- `` to
the end of the line. A table is the file's own, and a row has its columns: each value is one that the column's type in
schema.sql has. A character is any of UTF-8's but a backslash and the control characters.

So nothing of the text needs to be obeyed by a program, or understood in the same way by another.
"""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

from workloads.service_a.dataset.scripts import SCHEMA

LONGEST = 1 << 16  # characters of one row or comment; the public ones have fewer than 100
EXCERPT = 40  # characters of a fault that are shown
NULL = r"\N"  # as LOAD DATA has it

UNDECODABLE = r"\ud800-\udfff"  # what "surrogateescape" makes of bytes that are not UTF-8
SPACE = r"[ \t\r\n]*+"
COMMENT = rf"--(?:[ \t\r][^\n{UNDECODABLE}]*+)?\n"
GAP = rf"{SPACE}(?:{COMMENT}{SPACE})*"
ANY_GAP = re.compile(GAP)
CHARACTER = rf"(?:[^'\\\x00-\x1f\x7f-\x9f{UNDECODABLE}]|'')"

TABLE = re.compile(r"^CREATE TABLE (\w+) \(\n(.*?)^\)", re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r"^\t[a-z_]+ +(INT|DATE|(?:VAR)?CHAR\((\d+)\)|ENUM\((.+?)\))( +NOT NULL)?,?$", re.MULTILINE)


class RowsError(ValueError):
    """A text that is not in the grammar."""

    def __init__(self, line: int, excerpt: str) -> None:
        super().__init__(f"line {line}: {excerpt}")
        self.line = line
        """Counted from 1."""
        self.excerpt = excerpt
        """How the fault begins."""


@dataclass(frozen=True)
class Column:
    """What a column holds."""

    pattern: str
    """A value is its one group; where that takes no part, the value is NULL."""
    fits: Callable[[Sequence[str]], bool]
    """Whether all of these, which ``pattern`` has matched, are values of the column's type."""


@dataclass(frozen=True)
class Grammar:
    """A table's: its columns, and what matches a token with the gap before it."""

    columns: Sequence[Column]
    head: re.Pattern[str]
    row: re.Pattern[str]
    item: re.Pattern[str]
    """A row with what comes after it, a comma or a semicolon."""


def tab_separated(blocks: Iterable[bytes], table: str) -> Iterator[bytes]:
    """The rows of ``table`` in the text that comes in ``blocks``, as LOAD DATA takes them by default, in UTF-8.

    Each block's are yielded before the next one is asked for. Raises RowsError at the first fault.
    """
    grammar = grammars()[table]
    text, line, in_statement = "", 1, False
    for more, last in _decoded(blocks):
        text += more
        at, found = 0, []
        while token := (grammar.item if in_statement else grammar.head).match(text, at):
            at = token.end()
            if in_statement:
                found.append(token)
            in_statement = text[at - 1] != ";"
        if found:
            yield _lines(grammar, found, line).encode()
        at = _after_gap(text, at)
        if len(text) - at > (0 if last else LONGEST) or (last and in_statement):
            raise _fault(text, _place(grammar, text, at, in_statement), line)
        line += text.count("\n", 0, at)
        text = text[at:]


def _decoded(blocks: Iterable[bytes]) -> Iterator[tuple[str, bool]]:
    """The text in pieces, and whether it is the last; it ends with a line's end."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for block in blocks:
        yield decoder.decode(block), False
    yield decoder.decode(b"", final=True) + "\n", True


def _lines(grammar: Grammar, found: Sequence[re.Match[str]], line: int) -> str:
    """A line each. Raises RowsError at the first value that is not of its column's type."""
    rows = [token.groups(NULL) for token in found]
    for column, values in zip(grammar.columns, zip(*rows, strict=True), strict=True):
        if not column.fits(values):
            raise _fault(found[0].string, _first_misfit(grammar, found), line)
    # Two quotes stand for one: a value's neighbours are tabs, so that no other two meet.
    return "\n".join(map("\t".join, rows)).replace("''", "'") + "\n"


def _first_misfit(grammar: Grammar, found: Sequence[re.Match[str]]) -> int:
    """Where the first value begins that is not of its column's type."""
    return next(
        token.start(number)
        for token in found
        for number, column in enumerate(grammar.columns, 1)
        if not column.fits([token.group(number) or NULL])
    )


def _place(grammar: Grammar, text: str, at: int, in_statement: bool) -> int:
    """Where the fault begins in what follows ``at``: after a row, if there is one."""
    row = grammar.row.match(text, at) if in_statement else None
    return _after_gap(text, row.end()) if row else at


def _after_gap(text: str, at: int) -> int:
    found = ANY_GAP.match(text, at)
    return found.end() if found else at


def _fault(text: str, at: int, line: int) -> RowsError:
    """The fault at ``at`` in ``text``, which begins in ``line``."""
    excerpt = text[at : at + EXCERPT].partition("\n")[0]
    return RowsError(line + text.count("\n", 0, at), excerpt or "its end")


@cache
def grammars() -> dict[str, Grammar]:
    """Every table's, by schema.sql."""
    return {name: _grammar(name, body) for name, body in TABLE.findall(SCHEMA)}


def _grammar(table: str, body: str) -> Grammar:
    columns = [_column(*found.groups()) for found in COLUMN.finditer(body)]
    values = rf"{SPACE},{SPACE}".join(column.pattern for column in columns)
    space = SPACE.replace("*+", "++")
    row = rf"{GAP}\({SPACE}{values}{SPACE}\)"
    return Grammar(
        columns=columns,
        head=re.compile(rf"{GAP}INSERT{space}INTO{space}(?:`{table}`|{table}){space}VALUES"),
        row=re.compile(row),
        item=re.compile(rf"{row}{SPACE}[,;]"),
    )


def _column(kind: str, length: str | None, choices: str | None, required: str | None) -> Column:
    if kind == "INT":
        column = Column("(-?[0-9]{1,10}+)", _are_ints)
    elif kind == "DATE":
        column = Column("'([0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9])'", _are_dates)
    elif length:
        column = Column(rf"'({CHARACTER}{{0,{length}}})'", _always)
    else:
        allowed = "|".join(re.findall(r"'(\w+)'", choices or ""))
        column = Column(f"'({allowed})'", _always)
    return column if required else Column(rf"(?:{column.pattern}|NULL)", column.fits)


def _are_ints(values: Sequence[str]) -> bool:
    return all(-(2**31) <= int(text) < 2**31 for text in values if len(text) > len("999999999"))


def _are_dates(values: Sequence[str]) -> bool:
    try:
        return all(map(date.fromisoformat, set(values) - {NULL}))
    except ValueError:
        return False


def _always(_values: Sequence[str]) -> bool:
    return True
