"""Tables on a terminal of any width: side by side where they fit, else a row below the other. None is cut."""

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from testbed.errors import printable


def table_of(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", right: Sequence[int] = ()
) -> Table:
    """``right``: the columns of numbers, from 0."""
    made = Table(title=title or None)
    for number, heading in enumerate(headings):
        made.add_column(heading, justify="right" if number in right else "left")
    for row in rows:
        made.add_row(*map(printable, row))
    return made


def show(console: Console, table: Table) -> None:
    """In a pipe or a file every row is one line, however long."""
    for column in table.columns:
        column.no_wrap = True
    whole = Measurement.get(console, console.options.update(max_width=100_000), table).maximum
    width = max(whole, len(str(table.title or "")))
    before = console.width
    if width <= before or not console.is_terminal:
        console.width = max(width, before)
        console.print(table)
        console.width = before
        return
    if table.title:
        console.print(table.title)
    headings = [str(column.header) for column in table.columns]
    for first, *others in zip(*(map(str, column.cells) for column in table.columns), strict=True):
        console.print(first)
        for heading, value in zip(headings[1:], others, strict=True):
            if value:
                console.print(f"  {heading}: {value}" if heading else f"  {value}")
