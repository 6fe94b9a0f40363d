"""Bars, and whether an estimate reaches one. Pure."""

import math
from dataclasses import dataclass, replace

from analysis.estimates.statistics import Estimate

MET, MISSED, CANNOT_TELL = "met", "missed", "cannot tell"


@dataclass(frozen=True)
class Bar:
    """What an estimate must be, in words and as limits: at least, at most, below; and its interval's upper end."""

    text: str
    least: float = -math.inf
    most: float = math.inf
    below: float = math.inf
    upper_below: float = math.inf

    def verdict(self, found: Estimate, least_blocks: int) -> str:
        names_interval = math.isfinite(self.upper_below)
        if found.blocks < least_blocks or math.isnan(found.value) or (names_interval and math.isnan(found.high)):
            return CANNOT_TELL
        holds = self.least <= found.value <= self.most and found.value < self.below
        return MET if holds and not (names_interval and found.high >= self.upper_below) else MISSED


def at_most(limit: float) -> Bar:
    return Bar(f"<= {limit:g}", most=limit)


def at_least(limit: float) -> Bar:
    return Bar(f">= {limit:g}", least=limit)


def under(limit: float) -> Bar:
    return Bar(f"< {limit:g}", below=limit)


def fewer(part: float) -> Bar:
    """So much less than the baseline has: of a ratio. Rounded, as 1 - 0.8 is a little less than 0.2 in binary."""
    return Bar(f"{100 * part:g} % fewer", most=round(1 - part, 12))


def and_upper_end(bar: Bar, limit: float) -> Bar:
    """``bar``, and the upper end of the interval lies below ``limit``."""
    return replace(bar, text=f"{bar.text}, upper end < {limit:g}", upper_below=limit)
