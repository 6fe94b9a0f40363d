"""How every figure looks: colours, lines, panels, footer, and files that are the same bytes when redrawn."""

import io
import re
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.records.conditions import ordered_conditions, skipped
from analysis.records.load import Run
from testbed.files.plain import aside

# The paper's red and blue, in the shades of Paul Tol's "vibrant" scheme: made for colour-blind readers too.
COLOURS = {"httpd": "#CC3311", "rdbms": "#0077BB", "query.cgi": "#009988", "read": "#33618D", "write": "#EE7733"}
DASHES: dict[str, Any] = {
    "httpd": (0, (6, 1.6)),
    "rdbms": "-",
    "query.cgi": (0, (3, 1.2, 1, 1.2)),
    "read": "-",
    "write": (0, (4, 1.2)),
}
LABELS = {"rdbms": "RDBMS"}
OTHER_COLOUR = "#7A5195"
INVALID = "#8A8A8A"
INK = "#262626"
MUTED = "#5C5C5C"
MARKS: dict[str, Any] = {"request": (0, (1, 1.5)), "response": (0, (5, 3))}

MAX_COLUMNS = 5
MOST_SINGLE = 20  # of the cells of a condition that count are drawn one by one; of more, where most of them lie
BAND = (0.1, 0.9)
PART = "10 % to 90 %"
STRETCH: Any = {"lw": 5, "alpha": 0.45, "solid_capstyle": "butt"}
HUNDREDTHS = re.compile(r"(?<=\.\d\d)\d+")  # what stands behind them
MARGIN = 0.08  # inches, left of title, legend and footer
# Drawing is matplotlib's own but for what follows, whatever the user's matplotlibrc says.
DEFAULTS = {
    key: value
    for key, value in matplotlib.rcParamsDefault.items()
    if not key.startswith(("backend", "interactive", "toolbar", "webagg", "date.epoch"))
}
RC: Any = {
    **DEFAULTS,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.edgecolor": "#9A9A9A",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "container-paging-harness",
    "svg.fonttype": "path",
    "text.parse_math": False,  # a $ in a guest's words is a $
}


def colour(name: str) -> str:
    return COLOURS.get(name, OTHER_COLOUR)


def dashes(name: str) -> Any:
    return DASHES.get(name, "-")


def label(name: str) -> str:
    return LABELS.get(name, name)


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure of this many inches under its title."""
    figure = Figure(figsize=(width, height))
    figure.text(MARGIN / width, 1 - 0.1 / height, title, ha="left", va="top", fontsize=11.5, fontweight="bold")
    return figure


def panels(rows: list[str], conditions: list[str], title: str) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Small multiples: a column a condition; more than MAX_COLUMNS go into further bands of rows.

    Returns the figure and the axes by (row, condition). Only outer axes keep their tick labels.
    """
    bands = -(-len(conditions) // MAX_COLUMNS)
    columns = -(-len(conditions) // bands)
    width = max(7.5, 1.5 + 2.6 * columns)
    figure = new_figure(width, 1.3 + bands * (0.45 + 1.75 * len(rows)), title)
    grid = figure.subplots(bands * len(rows), columns, squeeze=False)
    axes: dict[tuple[str, str], Axes] = {}
    for position in range(bands * columns):
        band, column = divmod(position, columns)
        for index, row in enumerate(rows):
            ax = grid[band * len(rows) + index, column]
            if position >= len(conditions):
                ax.set_axis_off()
                continue
            axes[row, conditions[position]] = ax
            ax.tick_params(labelleft=column == 0, labelbottom=index == len(rows) - 1, length=2.5)
            if index == len(rows) - 1:
                ax.set_xlabel("elapsed time [s]")
    return figure, axes


def line(text: str, **style: Any) -> Line2D:
    """A legend's line."""
    return Line2D([], [], label=text, **style)


def is_many(counted: int) -> bool:
    """Whether so many cells are too many to be told apart."""
    return bool(counted > MOST_SINGLE)


def crowds(cells: pd.DataFrame) -> set[bool]:
    """Whether the conditions have many cells that count: some may, and others not."""
    counted = cells.loc[cells["valid"].astype(bool), "condition"].value_counts()
    return {is_many(n) for n in counted} or {False}


def of_cells(cells: pd.DataFrame, single: Line2D, *, in_rows: bool = False) -> list[Line2D | Patch]:
    """The legend of the cells that count: ``single`` where they are drawn one by one; ``in_rows``: of ``stretch``."""
    text, shown = f"{PART} of the cells", crowds(cells)
    band = line(text, color=MUTED, **STRETCH) if in_rows else Patch(facecolor=MUTED, alpha=0.3, label=text)
    return [*([single] if False in shown else []), *([band] if True in shown else [])]


def of_many(cells: pd.DataFrame) -> str:
    """What a caption says besides where cells are many."""
    many = f" Where more than {MOST_SINGLE} cells of a condition count, a band shows where {PART} of them lie."
    return many if True in crowds(cells) else ""


def stretch(ax: Axes, at: float, values: Any, shade: str) -> None:
    """Across a row of a panel: where most of many cells lie."""
    ax.plot(np.quantile(values, BAND), [at, at], color=shade, zorder=2, **STRETCH)


def finish(figure: Figure, handles: list[Line2D | Patch], run: Run, cells: pd.DataFrame) -> None:
    """The legend under the title, the footer at the bottom, and the panels between them."""
    width, height = figure.get_size_inches()
    entries = sum(0.62 + 0.073 * len(str(handle.get_label())) for handle in handles)
    rows = -(-entries // (width - MARGIN))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(MARGIN / width, 1 - 0.33 / height),
        ncols=int(-(-len(handles) // rows)),
        borderaxespad=0,
        borderpad=0,
        handlelength=2.6,
        columnspacing=1.5,
    )
    written = footer_lines(run, cells, int(width * 18))
    figure.text(
        MARGIN / width, 0.06 / height, "\n".join(written), va="bottom", fontsize=7, color=MUTED, linespacing=1.25
    )
    above, below = (0.42 + 0.2 * rows) / height, (0.13 + 0.135 * len(written)) / height
    figure.set_layout_engine("constrained", rect=(0, below, 1, 1 - below - above), w_pad=0.06, h_pad=0.05)


def footer_lines(run: Run, cells: pd.DataFrame, width: int) -> list[str]:
    """What was measured on what: accelerator, kernel, dataset, valid replicates, run; then what is left out.

    One line each where ``width`` characters suffice, else broken between its parts.
    """
    parts = [run.accelerator.upper(), f"guest kernel {run.kernel}", run.dataset, _replicates(cells), f"run {run.name}"]
    if run.times_are_emulated:
        parts.append("times are emulated: compare counts, not seconds")
    bad = cells[~cells["valid"].astype(bool) & ~cells["state"].isin(["planned", "skipped"])]
    reasons = "does not count: " + "; ".join(f"{row.cell} ({row.reason})" for row in bad.itertuples())
    lacking = "skipped: " + "; ".join(f"{name} ({reason})" for name, reason in skipped(cells).items())
    packed = [parts[0]]
    for part in parts[1:]:
        if len(packed[-1]) + len(part) + 5 <= width:
            packed[-1] += f"  ·  {part}"
        else:
            packed.append(part)
    return packed + [
        line
        for text, there in ((lacking, (cells["state"] == "skipped").any()), (reasons, len(bad)))
        if there
        for line in textwrap.wrap(text, width, max_lines=4, placeholder=" …")
    ]


def _replicates(cells: pd.DataFrame) -> str:
    """Valid cells per condition: one number where most agree, with the exceptions by name."""
    valid = cells.loc[cells["valid"].astype(bool), "condition"]
    ran = cells[cells["state"] != "skipped"]
    counts = {name: int((valid == name).sum()) for name in ordered_conditions(ran)} or {"": 0}
    usual = Counter(counts.values()).most_common(1)[0][0]
    others = ", ".join(f"{name} {n}" for name, n in counts.items() if n != usual)
    return f"n = {usual}" + " per condition" * (len(counts) > 1) + (f" ({others})" if others else "")


@dataclass(frozen=True)
class Drawn:
    """A figure in files. ``inches``: width and height."""

    name: str
    caption: str
    png: Path
    svg: Path
    inches: tuple[float, float]


def drawn(figure: Figure, folder: Path, name: str, caption: str) -> Drawn:
    png, svg = save(figure, folder, name)
    width, height = figure.get_size_inches()
    return Drawn(name, caption, png, svg, (float(width), float(height)))


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Writes ``name``.png (150 dpi) and ``name``.svg, whole or not at all; undated, to be reproducible."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with matplotlib.rc_context(RC):
        for kind, options in (("png", {"dpi": 150}), ("svg", {"metadata": {"Date": None}})):
            drawn = io.BytesIO()
            figure.savefig(drawn, format=kind, **options)
            figure.set_layout_engine("none")  # laid out once: that takes longer than drawing
            picture = drawn.getvalue()
            path = folder / f"{name}.{kind}"
            with aside(path, "wb") as file:
                file.write(compact(picture.decode()).encode() if kind == "svg" else picture)
            written.append(path)
    return written


def compact(svg: str) -> str:
    """The same picture in four fifths of the bytes: a report holds all figures. Hundredths of a point suffice."""
    shorter = re.sub(r' (d|x|y)="([^"]*)"', lambda found: f' {found[1]}="{HUNDREDTHS.sub("", found[2])}"', svg)
    return re.sub(r"\s*\n\s*", "\n", shorter)
