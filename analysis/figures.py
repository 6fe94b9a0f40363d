"""The four figures of a run, each a function from frames to a ``Figure``, or to None where there is no data.

Thin lines and points are single cells; thick lines and bars are medians over valid cells only. Cells that
do not count are grey and dashed, or hollow.
"""

from collections.abc import Callable
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
from matplotlib.ticker import MaxNLocator

from analysis import style
from analysis.conditions import ordered_conditions
from analysis.counters import BACKGROUND, Array
from analysis.frames import Frames
from analysis.load import Run

PAPER = "figure1"
DISK_LABELS = {"vdb": "swap disk", "vda": "root disk"}
MOST_POINTS = 100_000  # of a drawn median: a guest's times may be anything
BEFORE = 12.0  # seconds before the request are drawn, at most
THOUSANDS = "{x:,.10g}"
Curve = tuple[Array, Array]


@dataclass(frozen=True)
class Curves:
    """One quantity's curves under one condition, by cell: those that count, and those that do not."""

    valid: dict[str, Curve]
    invalid: dict[str, Curve]


def draw_figures(frames: Frames, run: Run, folder: Path) -> list[style.Drawn]:
    """Draws every figure that has data into ``folder``, as PNG and SVG."""
    drawers: dict[str, tuple[Callable[[Frames, Run], Figure | None], str]] = {
        "figure1": (figure1, "Major faults of httpd and RDBMS around one request, as the paper's figure 1 draws them."),
        "curves": (curves, "Major faults of service A's processes around one request, by condition."),
        "bars": (bars, "Major faults from request to response, by condition."),
        "block_io": (block_io, "Bytes read from and written to both disks around one request, by condition."),
    }
    drawn = []
    for name, (draw, caption) in drawers.items():
        figure = draw(frames, run)
        if figure is not None:
            drawn.append(style.drawn(figure, folder, name, caption))
    return drawn


@matplotlib.rc_context(style.RC)
def figure1(frames: Frames, run: Run) -> Figure | None:
    """As the paper's figure 1: major faults of httpd (red) and RDBMS (blue) against elapsed seconds."""
    faults = frames.faults[frames.faults["condition"] == PAPER]
    if faults.empty:
        return None
    cells = frames.cells[frames.cells["condition"] == PAPER]
    figure = style.new_figure(7.5, 4.6, "Major faults around one request, as the paper's figure 1 draws them")
    ax = figure.subplots()
    for role in ("httpd", "rdbms"):
        _draw(ax, _fault_curves(faults, cells, role, PAPER), role)
    ax.set(xlabel="elapsed time [s]", ylabel="major faults since the recording's start")
    _limits([ax])
    _times({PAPER: [ax]}, faults, cells)
    _marks(ax, cells)
    lines = [_median_line(role) for role in ("httpd", "rdbms")]
    style.finish(figure, [*lines, *_cell_lines(cells), *_mark_lines(cells)], run, cells)
    return figure


@matplotlib.rc_context(style.RC)
def curves(frames: Frames, run: Run) -> Figure | None:
    """The fault curves: a row a role with one scale, a column a condition."""
    faults, cells = frames.faults, frames.cells
    if faults.empty:
        return None
    roles = _roles(faults)
    conditions = [name for name in ordered_conditions(cells) if (faults["condition"] == name).any()]
    figure, axes = style.panels(roles, conditions, "Major faults around one request, by condition")
    for (role, condition), ax in axes.items():
        _draw(ax, _fault_curves(faults, cells, role, condition), role)
        _marks(ax, cells[cells["condition"] == condition])
    _dress(axes, roles, conditions, {role: f"{style.label(role)}\nmajor faults" for role in roles})
    _times({name: [axes[role, name] for role in roles] for name in conditions}, faults, cells)
    lines = [_median_line(role) for role in roles]
    style.finish(figure, [*lines, *_cell_lines(cells), *_mark_lines(cells)], run, cells)
    return figure


@matplotlib.rc_context(style.RC)
def bars(frames: Frames, run: Run) -> Figure | None:
    """Major faults from request to response: a panel a role, a bar a condition's median, a point a cell."""
    cells = frames.cells
    roles = [role for role in _roles(frames.faults) if cells[f"majflt_{role}"].notna().any()]
    if not roles:
        return None
    known = cells[cells[[f"majflt_{role}" for role in roles]].notna().any(axis=1)]
    conditions = [name for name in ordered_conditions(cells) if (known["condition"] == name).any()]
    height = 1.35 + (0.30 + 0.12 * (len(conditions) < 8)) * len(conditions)
    figure = style.new_figure(max(7.5, 2 + 2.9 * len(roles)), height, "Major faults from request to response")
    for ax, role in zip(figure.subplots(1, len(roles), squeeze=False, sharey=True)[0], roles, strict=True):
        _bars(ax, known, conditions, role)
    handles: list[Line2D | Patch] = [
        Patch(facecolor=style.INVALID, alpha=0.5, label="median of valid cells"),
        style.line("one cell", marker="o", color=style.INK, ls="", ms=4.5),
    ]
    if not known["valid"].all():
        handles.append(style.line("does not count", marker="o", mfc="none", mec=style.INVALID, ls="", ms=5))
    style.finish(figure, handles, run, cells)
    return figure


@matplotlib.rc_context(style.RC)
def block_io(frames: Frames, run: Run) -> Figure | None:
    """Bytes read and written per second: a row a disk with one scale, a column a condition."""
    system, cells = frames.system, frames.cells
    moved = system[system["scope"].isin(DISK_LABELS) & system["name"].isin(["read_bytes", "write_bytes"])]
    if moved.empty:
        return None
    disks = [disk for disk in DISK_LABELS if (moved["scope"] == disk).any()]
    conditions = [name for name in ordered_conditions(cells) if (moved["condition"] == name).any()]
    figure, axes = style.panels(disks, conditions, "Block reads and writes around one request")
    for (disk, condition), ax in axes.items():
        for way in ("read", "write"):
            rows = moved[
                (moved["scope"] == disk) & (moved["name"] == f"{way}_bytes") & (moved["condition"] == condition)
            ]
            _draw(ax, _curves(rows, cells, "value"), way, rate=True)
        _marks(ax, cells[cells["condition"] == condition])
    _dress(axes, disks, conditions, {disk: f"{DISK_LABELS[disk]}\nMB/s" for disk in disks})
    _times({name: [axes[disk, name] for disk in disks] for name in conditions}, moved, cells)
    lines = [_median_line(way, f"{way}s") for way in ("read", "write")]
    style.finish(figure, [*lines, *_cell_lines(cells), *_mark_lines(cells)], run, cells)
    return figure


def median_curve(single: list[Curve]) -> Curve:
    """The median of curves at common instants, one a (median) tick, up to where the shortest curve ends.

    Between two ticks a curve is taken to be straight: for drawing only, no number in a table rests on it.
    """
    if len(single) == 1:
        return single[0]
    step = float(np.median(np.concatenate([np.diff(t) for t, _ in single]))) if len(single[0][0]) > 1 else 1.0
    begin, end = max(t[0] for t, _ in single), min(t[-1] for t, _ in single)
    step = max(step, (end - begin) / MOST_POINTS) or 1.0
    grid = np.arange(begin, end + step / 2, step)
    return grid, np.median([np.interp(grid, t, values) for t, values in single], axis=0)


def _roles(faults: pd.DataFrame) -> list[str]:
    """Service A's roles."""
    return [role for role in dict.fromkeys(faults["role"]) if role not in BACKGROUND]


def _fault_curves(faults: pd.DataFrame, cells: pd.DataFrame, role: str, condition: str) -> Curves:
    return _curves(faults[(faults["role"] == role) & (faults["condition"] == condition)], cells, "majflt")


def _curves(rows: pd.DataFrame, cells: pd.DataFrame, column: str) -> Curves:
    """The curves of ``column`` over ``t``, sorted by whether their cell counts."""
    counts = dict(zip(cells["cell"], cells["valid"], strict=True))
    found: dict[bool, dict[str, Curve]] = {True: {}, False: {}}
    for cell, mine in rows.groupby("cell", sort=True):
        curve = (mine["t"].to_numpy(float), mine[column].to_numpy(float))
        found[bool(counts[str(cell)])][str(cell)] = curve
    return Curves(found[True], found[False])


def _rates(curve: Curve) -> Curve:
    """Megabytes a second in each interval of a cumulative byte count, standing at the interval's end."""
    times, values = curve
    seconds = np.diff(times)
    unknown = np.full(len(seconds), np.nan)  # where no time went by
    rates = np.divide(np.diff(values) / 1e6, seconds, out=unknown, where=seconds > 1e-6)
    return times, np.concatenate([rates[:1], rates]) if len(rates) else np.zeros(len(times))


def _draw(ax: Axes, found: Curves, name: str, *, rate: bool = False) -> None:
    """Every cell thin, the median of the valid ones thick. ``rate`` draws MB/s from bytes, in steps."""
    shape: Callable[[Curve], Curve] = _rates if rate else lambda curve: curve
    steps: dict[str, Any] = {"drawstyle": "steps-pre"} if rate else {}
    for curve in found.invalid.values():
        ax.plot(*shape(curve), color=style.INVALID, lw=0.9, ls=(0, (2, 1.5)), zorder=2, **steps)
    for curve in found.valid.values():
        ax.plot(*shape(curve), color=style.colour(name), lw=0.8, alpha=0.45, zorder=3, **steps)
    if found.valid:
        ax.plot(
            *shape(median_curve([*found.valid.values()])),
            color=style.colour(name),
            lw=2.0,
            ls=style.dashes(name),
            zorder=4,
            **steps,
        )


def _marks(ax: Axes, cells: pd.DataFrame) -> None:
    """The request and the response, at their medians over the valid cells (all cells where none is valid)."""
    valid = cells[cells["valid"].astype(bool)]
    for name, dashes in style.MARKS.items():
        instant = float((valid if len(valid) else cells)[f"{name}_t"].median())
        if not np.isnan(instant):
            ax.axvline(instant, color=style.INK, lw=0.9, ls=dashes, zorder=1)


def _dress(axes: dict[tuple[str, str], Axes], rows: list[str], conditions: list[str], labels: dict[str, str]) -> None:
    """Names of columns and rows; one scale a row."""
    for row in rows:
        _limits([axes[row, condition] for condition in conditions])
    for (row, condition), ax in axes.items():
        if row == rows[0]:
            ax.set_title(condition, loc="left")
        if ax.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            ax.set_ylabel(labels[row])


def _times(axes: dict[str, list[Axes]], rows: pd.DataFrame, cells: pd.DataFrame) -> None:
    """As many elapsed seconds for all conditions; from BEFORE the request on where that comes late."""
    requests, ends = cells.groupby("condition")["request_t"].min(), rows.groupby("condition")["t"].max()
    begins = {name: max(0.0, float(np.nan_to_num(requests[name])) - BEFORE) for name in axes}
    longest = max(float(ends[name]) - begins[name] for name in axes)
    for name, mine in axes.items():
        for ax in mine:
            ax.set_xlim(begins[name], begins[name] + (longest if longest > 0 else 1))
            ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def _limits(axes: list[Axes]) -> None:
    """The same scale for all of ``axes``: values from 0."""
    top = max((ax.dataLim.ymax for ax in axes if np.isfinite(ax.dataLim.ymax)), default=0.0)
    for ax in axes:
        ax.set_ylim(0, top * 1.06 if top > 0 else 1)
        ax.yaxis.set_major_locator(MaxNLocator(5))
        ax.yaxis.set_major_formatter(THOUSANDS)


def _bars(ax: Axes, cells: pd.DataFrame, conditions: list[str], role: str) -> None:
    """One role's panel: conditions from top to bottom, the medians in figures at the right edge."""
    column = f"majflt_{role}"
    top = float(cells[column].max()) or 1.0
    for place, condition in enumerate(conditions):
        mine = cells[(cells["condition"] == condition) & cells[column].notna()].sort_values("replicate")
        counted = mine["valid"].astype(bool)
        apart = 0.36 * (np.arange(len(mine)) - (len(mine) - 1) / 2) / max(1, len(mine) - 1)
        for valid, chosen in ((True, counted), (False, ~counted)):
            look: dict[str, Any] = (
                {"ms": 4, "mew": 0.8, "mfc": style.colour(role), "mec": "white"}
                if valid
                else {"ms": 4.5, "mew": 1.1, "mfc": "none", "mec": style.INVALID}
            )
            ax.plot(mine.loc[chosen, column], place + apart[chosen], "o", zorder=3, **look)
        if counted.any():
            median = float(mine.loc[counted, column].median())
            ax.barh(place, median, height=0.66, color=style.colour(role), alpha=0.35, lw=0)
            ax.text(
                0.995,
                place,
                f"{median:,.10g}",
                transform=ax.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=8.5,
                fontweight="bold",
            )
    ax.set_title(style.label(role), loc="left", color=style.colour(role))
    ax.set_title("median", loc="right", fontsize=8, fontweight="normal", color=style.MUTED)
    ax.set_yticks(range(len(conditions)), conditions, color=style.INK)
    ax.set_ylim(len(conditions) - 0.45, -0.55)
    ax.set_xlim(0, top * 1.28)
    ax.set_xlabel("major faults")
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(THOUSANDS)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)


def _median_line(name: str, text: str | None = None) -> Line2D:
    text = f"{text or style.label(name)}, median"
    return style.line(text, color=style.colour(name), ls=style.dashes(name), lw=2)


def _cell_lines(cells: pd.DataFrame) -> list[Line2D]:
    drawn = cells[~cells["state"].isin(["planned", "skipped"])]
    single = [style.line("one cell", color=style.MUTED, lw=0.8, alpha=0.7)]
    bad = [style.line("does not count", color=style.INVALID, lw=0.9, ls=(0, (2, 1.5)))]
    return single + (bad if not drawn["valid"].all() else [])


def _mark_lines(cells: pd.DataFrame) -> list[Line2D]:
    return [
        style.line(name if name == "request" else f"{name} (median)", color=style.INK, lw=0.9, ls=dashes)
        for name, dashes in style.MARKS.items()
        if cells[f"{name}_t"].notna().any()
    ]
