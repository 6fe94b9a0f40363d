"""Markdown from words that others chose. Pure."""

import re
from collections.abc import Iterable

from testbed.errors import printable


def escaped(text: str) -> str:
    """On one line, with nothing in it that is markup."""
    return re.sub(r"[\\`*_<>|&~]|\](?=[(\[])", r"\\\g<0>", " ".join(printable(text).split()))


def code(text: str) -> str:
    return f"`{' '.join(printable(text).replace('`', chr(39)).split())}`"


def row(cells: Iterable[str]) -> str:
    """Of a table; the cells are escaped here."""
    return f"| {' | '.join(escaped(cell) or '-' for cell in cells)} |"


def table(head: list[str], rows: Iterable[Iterable[str]]) -> list[str]:
    return [row(head), f"|{' --- |' * len(head)}", *map(row, rows)]
