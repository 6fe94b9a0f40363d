"""Tables on a terminal of any width: side by side where they fit, else a row below the other. None is cut."""

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from testbed.errors import printable


def show_table(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    right: Sequence[int] = (),
) -> None:
    """``right``: the columns, from 0, of numbers. In a pipe or a file every row is one line, however long."""
    made = Table(title=title or None)
    for number, heading in enumerate(headings):
        made.add_column(heading, justify="right" if number in right else "left", no_wrap=True)
    for row in rows:
        made.add_row(*map(printable, row))
    width = Measurement.get(console, console.options.update(max_width=100_000), made).maximum
    if width <= console.width or not console.is_terminal:
        before = console.width
        console.width = max(width, len(title), before)
        console.print(made)
        console.width = before
        return
    if title:
        console.print(title)
    for row in rows:
        first, *others = zip(headings, row, strict=True)
        console.print(printable(first[1]))
        for heading, value in others:
            if value:
                console.print(f"  {heading}: {printable(value)}")
