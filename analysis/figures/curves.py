"""Curves of single cells over time, their median, and where most of them lie; and how a panel shows them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cbook import pts_to_prestep
from matplotlib.collections import LineCollection

from analysis.figures import style
from analysis.records.counters import Array

MOST_POINTS = 10_000  # of a drawn median: a guest's times may be anything
Curve = tuple[Array, Array]


@dataclass(frozen=True)
class Curves:
    """One quantity's curves under one condition, by cell: those that count, and those that do not."""

    valid: dict[str, Curve]
    invalid: dict[str, Curve]


def curves_of(rows: pd.DataFrame, cells: pd.DataFrame, column: str) -> Curves:
    """The curves of ``column`` over ``t``, sorted by whether their cell counts."""
    counts = dict(zip(cells["cell"], cells["valid"], strict=True))
    found: dict[bool, dict[str, Curve]] = {True: {}, False: {}}
    for cell, mine in rows.groupby("cell", sort=True):
        curve = (mine["t"].to_numpy(float), mine[column].to_numpy(float))
        found[bool(counts[str(cell)])][str(cell)] = curve
    return Curves(found[True], found[False])


def draw(ax: Axes, found: Curves, name: str, *, rate: bool = False) -> None:
    """Every cell thin, the median of the valid ones thick; a band for these where they are many.

    ``rate`` draws MB/s from bytes, in steps: of few cells those of the median count, of many the median of their rates,
    which lies within the band.
    """
    shape: Callable[[Curve], Curve] = rates if rate else lambda curve: curve
    valid = [*found.valid.values()]
    invalid = [shape(curve) for curve in found.invalid.values()]
    _single(ax, invalid, rate, color=style.INVALID, lw=0.9, ls=(0, (2, 1.5)), zorder=2)
    if not valid:
        return
    colour = style.colour(name)
    if style.is_many(len(valid)):
        times, values = shape(common(valid))
        low, middle, high = np.quantile(values, (style.BAND[0], 0.5, style.BAND[1]), axis=0)
        step: Any = "pre" if rate else None
        ax.fill_between(times, low, high, step=step, color=colour, alpha=0.25, lw=0, zorder=3)
        median = times, middle
    else:
        _single(ax, map(shape, valid), rate, color=colour, lw=0.8, alpha=0.45, zorder=3)
        median = shape(median_curve(valid))
    steps: Any = {"drawstyle": "steps-pre"} if rate else {}
    ax.plot(*median, color=colour, lw=2.0, ls=style.dashes(name), zorder=4, **steps)


def _single(ax: Axes, single: Iterable[Curve], steps: bool, **look: Any) -> None:
    """All in one artist: one each takes longer than all that they show."""
    lines = [np.column_stack([*(pts_to_prestep(*curve) if steps else curve)]) for curve in single]
    if lines:
        ax.add_collection(LineCollection(lines, **look))


def median_curve(single: list[Curve]) -> Curve:
    """The median of curves at common instants.

    Between two ticks a curve is taken to be straight: for drawing only, no number in a table rests on it.
    """
    if len(single) == 1:
        return single[0]
    grid, values = common(single)
    return grid, np.median(values, axis=0)


def common(single: list[Curve]) -> Curve:
    """Curves at common instants, one a (median) tick, up to where the shortest curve ends; a row a curve."""
    step = float(np.median(np.concatenate([np.diff(t) for t, _ in single]))) if len(single[0][0]) > 1 else 1.0
    begin, end = max(t[0] for t, _ in single), min(t[-1] for t, _ in single)
    step = max(step, (end - begin) / MOST_POINTS) or 1.0
    grid = np.arange(begin, end + step / 2, step)
    return grid, np.array([np.interp(grid, t, values) for t, values in single])


def rates(curve: Curve) -> Curve:
    """Megabytes a second in each interval of a cumulative byte count, standing at the interval's end."""
    times, values = curve
    seconds, moved = np.diff(times), np.diff(values) / 1e6
    unknown = np.full(moved.shape, np.nan)  # where no time went by
    found = np.divide(moved, seconds, out=unknown, where=seconds > 1e-6)
    return times, np.concatenate([found[..., :1], found], axis=-1) if len(seconds) else np.zeros(values.shape)
