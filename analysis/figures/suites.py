"""The two figures of a suite: how its conditions stand in each outcome, and what each saves at what cost."""

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from analysis.estimates.effects import Effect
from analysis.estimates.numbers import number
from analysis.estimates.outcomes import BY_NAME, Outcome
from analysis.estimates.statistics import SIGNIFICANT
from analysis.estimates.suites import SAVED, Standing, Suite, Trade, clearly
from analysis.figures import style
from analysis.figures.placement import Box, place
from analysis.records.load import Run

COLUMNS = 4
PANELS = ("majflt_rdbms", "majflt_service", "first_byte_s", "response_s", "read_mb", "read_whole_mb", "idle_mb")
MEMORY = ("memory_mb", "peak_mb")  # the first of them that is known
OVERVIEW = (
    "The suite's conditions in each outcome: medians, their intervals, single cells, and ranks. Those in the same "
    "circumstances stand together, with the fewest RDBMS major faults first."
)
COST = (
    "What each condition saves against what it is compared with, and what that costs: major faults of service A from "
    "request to response, and bytes read from the recording's start to the response; differences of medians."
)
BETTER, WORSE, ALIKE = "#0077BB", "#CC3311", "#5C5C5C"
BAND = "#F3F4F6"
ROW = 0.235  # inches
BEHIND: Any = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.4}  # a label
FAR = 12  # points from a mark to its label, from which on a line shows which is whose


def draw_suite(suite: Suite, cells: pd.DataFrame, run: Run, frame: pd.DataFrame, folder: Path) -> list[style.Drawn]:
    """Draws what has data of a suite's figures into ``folder``, as PNG and SVG.

    ``cells``: ``analysis.estimates.outcomes.cell_outcomes``; ``frame``: ``frames.cells``, for the footer.
    """
    figures = {
        f"suite-{suite.name}": (overview(suite, cells, run, frame), OVERVIEW + style.of_many(in_suite(frame, suite))),
        f"suite-{suite.name}-cost": (cost(suite, run, frame), COST),
    }
    return [style.drawn(figure, folder, name, caption) for name, (figure, caption) in figures.items() if figure]


def panels(suite: Suite) -> list[Outcome]:
    known = {name for name in (*PANELS, *MEMORY) if any(suite.standing(c, name).median.blocks for c in suite.measured)}
    memory = [name for name in MEMORY if name in known][:1]
    return [BY_NAME[name] for name in (*PANELS, *memory) if name in known]


@matplotlib.rc_context(style.RC)
def overview(suite: Suite, cells: pd.DataFrame, run: Run, frame: pd.DataFrame) -> Figure | None:
    """A panel an outcome, a row a condition: a dot and a line for the median and its interval, points for the cells."""
    outcomes, names = panels(suite), suite.measured
    if not outcomes:
        return None
    columns = min(COLUMNS, len(outcomes))
    rows = -(-len(outcomes) // columns)
    widest = max(map(len, names))
    height = 1.25 + rows * (0.75 + ROW * len(names))
    width = 0.4 + 0.075 * widest + 2.85 * columns
    figure = style.new_figure(width, height, textwrap.shorten(title(suite), int(9 * width), placeholder=" …"))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for position, ax in enumerate(grid.flat):
        if position >= len(outcomes):
            ax.set_axis_off()
            continue
        panel(ax, suite, cells, outcomes[position], names)
        ax.tick_params(axis="y", length=0, labelleft=position % columns == 0)
    style.finish(figure, legend(in_suite(frame, suite)), run, in_suite(frame, suite))
    return figure


def title(suite: Suite) -> str:
    return f"Suite {suite.name}: {suite.answers}" if suite.answers else "The conditions side by side"


def in_suite(frame: pd.DataFrame, suite: Suite) -> pd.DataFrame:
    return frame[frame["condition"].isin(suite.conditions)]


def panel(ax: Axes, suite: Suite, cells: pd.DataFrame, outcome: Outcome, names: Sequence[str]) -> None:
    valid = cells[cells["valid"].astype(bool)]
    for place_, name in enumerate(names):
        if place_ % 2:
            ax.axhspan(place_ - 0.5, place_ + 0.5, color=BAND, lw=0, zorder=0)
        one = suite.standing(name, outcome.name)
        values = valid.loc[valid["condition"] == name, outcome.name].astype(float).dropna().to_numpy()
        dots(ax, place_, one, values, *look(one.effect if suite.is_like_its_other(name) else None))
        figures(ax, place_, one)
    for begin, end, other in columns_of(suite, names):
        middle = suite.standing(other, outcome.name).median.value
        ax.plot([middle, middle], [begin - 0.5, end + 0.5], color=style.INK, lw=0.8, ls=(0, (3, 2)), zorder=1)
    for begin in family_begins(suite, names)[1:]:
        ax.axhline(begin - 0.5, color="#9A9A9A", lw=0.8, zorder=1)
    ax.set_title(outcome.heading, loc="left")
    ax.set_yticks(range(len(names)), names, color=style.INK)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(0, (ax.dataLim.x1 if ax.dataLim.x1 > 0 else 1) * 1.62)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter("{x:,.10g}")
    ax.grid(visible=False, axis="y")


def columns_of(suite: Suite, names: Sequence[str]) -> list[tuple[int, int, str]]:
    """Rows next to each other that are compared with the same condition: first, last, and which; it is its own."""
    others = [suite.against[name] if suite.is_like_its_other(name) else name for name in names]
    used = {other for name, other in zip(names, others, strict=True) if other != name}
    found = []
    for other, rows in groupby(enumerate(others), key=lambda row: row[1]):
        at = [place for place, _ in rows]
        if other in used:
            found.append((at[0], at[-1], other))
    return found


def family_begins(suite: Suite, names: Sequence[str]) -> list[int]:
    places = ([place for place, name in enumerate(names) if name in members] for members in suite.families.values())
    return sorted(min(rows) for rows in places if rows)


def dots(ax: Axes, at: int, one: Standing, values: Any, colour: str, filled: bool) -> None:
    if style.is_many(len(values)):
        style.stretch(ax, at, values, colour)
    else:
        spread = 0.5 * (np.arange(len(values)) - (len(values) - 1) / 2) / max(1, len(values) - 1)
        ax.plot(values, at + spread, "o", ms=2.8, mfc=colour, mec="none", alpha=0.35, zorder=2)
    if one.median.method:
        ax.plot([one.median.low, one.median.high], [at, at], color=colour, lw=2.4, solid_capstyle="butt", zorder=3)
    ax.plot(one.median.value, at, "o", ms=5.5, mfc=colour if filled else "white", mec=colour, mew=1.3, zorder=4)


def look(effect: Effect | None) -> tuple[str, bool]:
    """Colour, where it is clearly better or worse, and whether it is filled: where q is small enough, too."""
    way = clearly(effect.ratio) if effect else 0
    if not effect or not way:
        return ALIKE, False
    return BETTER if (way < 0) == (effect.outcome.better == "lower") else WORSE, effect.q <= SIGNIFICANT


def figures(ax: Axes, at: int, one: Standing) -> None:
    """The median and the rank with its interval, at the right edge."""
    if not one.median.blocks:
        return
    rank = one.rank
    style_: Any = {"transform": ax.get_yaxis_transform(), "ha": "right", "va": "center"}
    ax.text(0.785, at, number(one.median.value), fontsize=7.5, fontweight="bold", **style_)
    if not math.isnan(rank.value):
        span = "" if math.isnan(rank.low) or rank.low == rank.high else f" {rank.low:g}–{rank.high:g}"  # noqa: RUF001
        ax.text(0.995, at, f"#{rank.value:g}{span}", fontsize=6.5, color=style.MUTED, **style_)


def legend(frame: pd.DataFrame) -> list[Line2D | Patch]:
    dot: Any = {"ls": "-", "marker": "o", "lw": 2.4, "ms": 5.5, "mew": 1.3, "mfc": "white"}
    single = style.line("one cell", ls="", marker="o", ms=3, mfc=ALIKE, mec="none", alpha=0.5)
    return [
        style.line("median and interval", color=ALIKE, mec=ALIKE, **dot),
        style.line("clearly better than what it is compared with", color=BETTER, mec=BETTER, **dot),
        style.line("clearly worse", color=WORSE, mec=WORSE, **dot),
        style.line(f"filled: q of {SIGNIFICANT:g} or less", ls="", marker="o", ms=5.5, color=ALIKE),
        *style.of_cells(frame, single, in_rows=True),
        style.line("median of what it is compared with", color=style.INK, lw=0.8, ls=(0, (3, 2))),
        style.line("#: rank and its interval, 1 is best", ls="", color=style.MUTED),
    ]


@matplotlib.rc_context(style.RC)
def cost(suite: Suite, run: Run, frame: pd.DataFrame) -> Figure | None:
    """Extra bytes read against major faults saved, a mark a condition with its intervals.

    What adds many more faults than any saves stands at the left edge, with its number, so that the others have room.
    """
    trades = [one for one in suite.trades if suite.is_like_its_other(one.condition) and is_known(one)]
    if not trades:
        return None
    figure = style.new_figure(9.5, 6.4, f"Suite {suite.name}: what is saved, and what it costs")
    ax = figure.subplots()
    ax.axhline(0, color="#9A9A9A", lw=0.8, zorder=1)
    ax.axvline(0, color="#9A9A9A", lw=0.8, zorder=1)
    edge = left_edge(trades)
    shown = [Shown(one, max(one.saved.value, edge), one.saved.value < edge) for one in trades]
    for one in shown:
        mark(ax, one, *look(suite.standing(one.trade.condition, SAVED).effect))
    limits(ax, shown, edge)
    ax.set_xlabel("major faults of service A saved (more is better)")
    ax.set_ylabel("extra bytes read [MB] (less is better)")
    style.finish(figure, cost_legend(), run, in_suite(frame, suite))
    label(figure, ax, shown)
    return figure


@dataclass(frozen=True)
class Shown:
    """``beyond``: it stands at the left edge and not at its place."""

    trade: Trade
    x: float
    beyond: bool

    @property
    def at(self) -> tuple[float, float]:
        return self.x, self.trade.extra.value

    @property
    def text(self) -> str:
        return f"{self.trade.condition} ({number(self.trade.saved.value)})" if self.beyond else self.trade.condition


def is_known(one: Trade) -> bool:
    return not math.isnan(one.saved.value) and not math.isnan(one.extra.value)


def left_edge(trades: Sequence[Trade]) -> float:
    most = max(one.saved.value for one in trades)
    return -0.5 * most if most > 0 else -math.inf


def mark(ax: Axes, one: Shown, colour: str, filled: bool) -> None:
    saved, extra = one.trade.saved, one.trade.extra
    if saved.method and not one.beyond:
        ax.hlines(extra.value, saved.low, saved.high, color=colour, lw=1.2, alpha=0.6, zorder=2)
    if extra.method:
        ax.vlines(one.x, extra.low, extra.high, color=colour, lw=1.2, alpha=0.6, zorder=2)
    shape = "<" if one.beyond else "o"
    ax.plot(one.x, extra.value, shape, ms=6.5, mfc=colour if filled else "white", mec=colour, zorder=3)


def limits(ax: Axes, shown: Sequence[Shown], edge: float) -> None:
    xs = [x for one in shown for x in (one.x, one.trade.saved.low, one.trade.saved.high) if x >= edge]
    low, high = min(0.0, *xs), max(0.0, *xs)
    room = 0.12 * (high - low) or 1
    ax.set_xlim(low - room, high + room)
    ax.margins(y=0.12)
    ax.xaxis.set_major_formatter("{x:,.10g}")


def cost_legend() -> list[Line2D | Patch]:
    dot: Any = {"ls": "", "marker": "o", "ms": 6.5}
    return [
        style.line("clearly fewer major faults", mfc="white", mec=BETTER, **dot),
        style.line("clearly more", mfc="white", mec=WORSE, **dot),
        style.line("neither", mfc="white", mec=ALIKE, **dot),
        style.line(f"filled: q of {SIGNIFICANT:g} or less", color=ALIKE, **dot),
        style.line("interval", color=ALIKE, lw=1.2),
    ]


def label(figure: Figure, ax: Axes, shown: Sequence[Shown]) -> None:
    """Each condition's name beside its mark, with a line to it where it stands farther off."""
    common: Any = {"textcoords": "offset points", "ha": "center", "va": "center", "in_layout": False}
    names = [ax.annotate(one.text, one.at, (0, 0), fontsize=8, bbox=BEHIND, zorder=5, **common) for one in shown]
    figure.draw_without_rendering()  # only now it is known where everything is
    scale = 72 / figure.dpi  # points a pixel

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = ax.transData.transform((x, y)) * scale
        return float(across), float(up)

    points = [at(*one.at) for one in shown]
    extents = [name.get_window_extent() for name in names]
    sizes = [(float(extent.width) * scale, float(extent.height) * scale) for extent in extents]
    marks = [Box(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    lines = [box for one in shown for box in interval_boxes(one, at)]
    frame = ax.get_window_extent()
    bounds = Box(*(float(edge) * scale for edge in (frame.x0, frame.y0, frame.x1, frame.y1)))
    boxes = place(points, sizes, bounds, marks, lines)
    for one, name, (x, y), box in zip(shown, names, points, boxes, strict=True):
        name.set_position((box.middle[0] - x, box.middle[1] - y))
        if box.distance((x, y)) > FAR:
            end = box.nearest((x, y))
            leader = {"arrowstyle": "-", "color": "#9A9A9A", "lw": 0.7, "shrinkA": 0, "shrinkB": 4}
            ax.annotate("", one.at, (end[0] - x, end[1] - y), arrowprops=leader, zorder=2.5, **common)


def interval_boxes(one: Shown, at: Callable[[float, float], tuple[float, float]]) -> list[Box]:
    """What its two lines cover, in points."""
    saved, extra = one.trade.saved, one.trade.extra
    ends = []
    if saved.method and not one.beyond:
        ends.append((at(saved.low, extra.value), at(saved.high, extra.value)))
    if extra.method:
        ends.append((at(one.x, extra.low), at(one.x, extra.high)))
    return [Box(x0 - 1, y0 - 1, x1 + 1, y1 + 1) for (x0, y0), (x1, y1) in ends]
