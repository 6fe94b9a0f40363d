"""The four figures of a run, each a function from frames to a ``Figure``, or to None where there is no data.

Thin lines and points are single cells, bands most of them where they are many; thick lines and bars are medians over
valid cells only. Cells that do not count are grey and dashed, or hollow.
"""

from collections.abc import Callable
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

from analysis.figures import style
from analysis.figures.curves import Curves, curves_of, draw
from analysis.records.conditions import ordered_conditions
from analysis.records.counters import BACKGROUND
from analysis.records.frames import Frames
from analysis.records.load import Run

PAPER = "figure1"
DISK_LABELS = {"vdb": "swap disk", "vda": "root disk"}
BEFORE = 12.0  # seconds before the request are drawn, at most
THOUSANDS = "{x:,.10g}"


def draw_figures(frames: Frames, run: Run, folder: Path) -> list[style.Drawn]:
    """Draws every figure that has data into ``folder``, as PNG and SVG."""
    drawers: dict[str, tuple[Callable[[Frames, Run], Figure | None], str]] = {
        "figure1": (figure1, "Major faults of httpd and RDBMS around one request, as the paper's figure 1 draws them."),
        "curves": (curves, "Major faults of service A's processes around one request, by condition."),
        "bars": (bars, "Major faults from request to response, by condition."),
        "block_io": (block_io, "Bytes read from and written to both disks around one request, by condition."),
    }
    drawn = []
    for name, (drawer, caption) in drawers.items():
        figure = drawer(frames, run)
        if figure is not None:
            drawn.append(style.drawn(figure, folder, name, caption + style.of_many(frames.cells)))
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
        draw(ax, _fault_curves(faults, cells, role, PAPER), role)
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
        draw(ax, _fault_curves(faults, cells, role, condition), role)
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
        *style.of_cells(known, style.line("one cell", marker="o", color=style.INK, ls="", ms=4.5), in_rows=True),
    ]
    if not known["valid"].all():
        handles.append(style.line("does not count", marker="o", mfc="none", mec=style.INVALID, ls="", ms=5))
    style.finish(figure, handles, run, cells)
    return figure


@matplotlib.rc_context(style.RC)
def block_io(frames: Frames, run: Run) -> Figure | None:
    """Bytes read and written per second: a row a disk with one scale, a column a condition."""
    moved, cells = frames.moved, frames.cells
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
            draw(ax, curves_of(rows, cells, "value"), way, rate=True)
        _marks(ax, cells[cells["condition"] == condition])
    _dress(axes, disks, conditions, {disk: f"{DISK_LABELS[disk]}\nMB/s" for disk in disks})
    _times({name: [axes[disk, name] for disk in disks] for name in conditions}, moved, cells)
    lines = [_median_line(way, f"{way}s") for way in ("read", "write")]
    style.finish(figure, [*lines, *_cell_lines(cells), *_mark_lines(cells)], run, cells)
    return figure


def _roles(faults: pd.DataFrame) -> list[str]:
    """Service A's roles."""
    return [role for role in dict.fromkeys(faults["role"]) if role not in BACKGROUND]


def _fault_curves(faults: pd.DataFrame, cells: pd.DataFrame, role: str, condition: str) -> Curves:
    return curves_of(faults[(faults["role"] == role) & (faults["condition"] == condition)], cells, "majflt")


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
        hollow: Any = {"ms": 4.5, "mew": 1.1, "mfc": "none", "mec": style.INVALID}
        ax.plot(mine.loc[~counted, column], place + apart[~counted], "o", zorder=3, **hollow)
        if style.is_many(counted.sum()):
            style.stretch(ax, place, mine.loc[counted, column], style.colour(role))
        else:
            filled: Any = {"ms": 4, "mew": 0.8, "mfc": style.colour(role), "mec": "white"}
            ax.plot(mine.loc[counted, column], place + apart[counted], "o", zorder=3, **filled)
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


def _cell_lines(cells: pd.DataFrame) -> list[Line2D | Patch]:
    drawn = cells[~cells["state"].isin(["planned", "skipped"])]
    single = style.of_cells(cells, style.line("one cell", color=style.MUTED, lw=0.8, alpha=0.7))
    bad = [style.line("does not count", color=style.INVALID, lw=0.9, ls=(0, (2, 1.5)))]
    return [*single, *(bad if not drawn["valid"].all() else [])]


def _mark_lines(cells: pd.DataFrame) -> list[Line2D]:
    return [
        style.line(name if name == "request" else f"{name} (median)", color=style.INK, lw=0.9, ls=dashes)
        for name, dashes in style.MARKS.items()
        if cells[f"{name}_t"].notna().any()
    ]
