"""How numbers are written for people."""

import math

from analysis.estimates.statistics import Estimate


def number(value: float) -> str:
    """Three digits, large numbers whole; "-" where unknown."""
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def interval(found: Estimate) -> str:
    """With a star where it is not a BCa interval; "" where there is none."""
    if not found.method:
        return ""
    return f"[{number(found.low)}, {number(found.high)}]" + "*" * (found.method == "percentile")


def with_interval(found: Estimate) -> str:
    return f"{number(found.value)} {interval(found)}".strip()


def probability(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def several(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + "s" * (count != 1)
