"""Whether the prefetcher reaches its bars ([bars] of the configuration): per-cell values, comparisons, verdicts.

Cells of one block are compared, those of ``prefetch`` with those of ``baseline``, a pair of conditions a disk. A block
is left out of a comparison where one of its cells does not count or lacks the value. An estimate is judged itself;
where a bar names the interval's upper end, that has to hold too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.estimates.effects import pairs
from analysis.estimates.numbers import number, with_interval
from analysis.estimates.statistics import Estimate, Statistic, estimate, excess_ratio, median, ratio_of_medians
from analysis.judgements.verdicts import CANNOT_TELL, MET, MISSED, Bar, and_upper_end, at_least, at_most, fewer, under
from analysis.records.counters import Array
from analysis.records.load import Run
from configuration.bars import Bars, DiskBars


@dataclass(frozen=True)
class Judgement:
    """A row of the table. ``baseline`` and ``prefetch`` are medians over its blocks; ``unit`` is theirs.

    ``bar`` and ``verdict`` are "" where no bar stands.
    """

    disk: str
    outcome: str
    unit: str
    baseline: float
    prefetch: float
    found: Estimate
    bar: str
    verdict: str


def judge(cells: pd.DataFrame, bars: Bars) -> list[Judgement]:
    """Every comparison on every disk that the run has both conditions of; excess only if it has the reference.

    ``cells``: ``analysis.estimates.outcomes.cell_outcomes``.
    """
    planned = set(cells["condition"])
    judged: list[Judgement] = []
    for name, disk in bars.disk.items():
        if {disk.baseline, disk.prefetch} <= planned:
            judged += DiskJudge(name, disk, cells, bars).judge(with_excess=bars.reference in planned)
    return judged


@dataclass(frozen=True)
class DiskJudge:
    """The comparisons on one disk."""

    name: str
    disk: DiskBars
    cells: pd.DataFrame
    bars: Bars

    def judge(self, *, with_excess: bool) -> list[Judgement]:
        bars = self.bars
        rdbms = and_upper_end(fewer(bars.rdbms_fewer), bars.rdbms_ratio_upper)
        first_byte = and_upper_end(at_most(bars.first_byte_ratio), bars.first_byte_ratio_upper)
        rows = [
            self._ratio("major faults, RDBMS", "", "majflt_rdbms", rdbms),
            self._ratio("major faults, httpd", "", "majflt_httpd", fewer(bars.httpd_fewer)),
            self._ratio("major faults, query.cgi", "", "majflt_query.cgi", fewer(bars.query_cgi_fewer)),
            self._ratio("time to first byte", "s", "first_byte_s", first_byte),
        ]
        if with_excess:
            rows.append(self._excess(at_most(self.disk.excess_ratio)))
        return [
            *rows,
            self._ratio("bytes read", "MB", "read_mb", self._here(at_most(bars.read_bytes_ratio))),
            self._own("precision", "", "precision", self._here(at_least(bars.precision))),
            self._own("coverage", "", "coverage", self._here(at_least(bars.coverage))),
            self._own("late share", "", "late_share", self._here(at_most(bars.late_share))),
            self._own("trigger to first issue, median", "ms", "first_issue_ms", self._here(under(bars.first_issue_ms))),
            self._worst("trigger to first issue, worst", "ms", "first_issue_ms_max",
                        self._here(under(bars.first_issue_ms))),
        ]  # fmt: skip

    def _here(self, bar: Bar) -> Bar | None:
        """A bar that holds on one disk only."""
        return bar if self.name == self.bars.judged_disk else None

    def _ratio(self, outcome: str, unit: str, column: str, bar: Bar | None) -> Judgement:
        samples = pairs(self.cells, column, self.disk.prefetch, self.disk.baseline)
        return self._row(outcome, unit, samples, self._estimate(samples, ratio_of_medians), bar)

    def _excess(self, bar: Bar) -> Judgement:
        samples = pairs(self.cells, "response_s", self.disk.prefetch, self.disk.baseline, self.bars.reference)
        found = self._estimate(samples, excess_ratio)
        over = [sample - middle(samples[2]) for sample in samples[:2]]
        return self._row("excess time to response", "s", over, found, bar)

    def _own(self, outcome: str, unit: str, column: str, bar: Bar | None) -> Judgement:
        samples = pairs(self.cells, column, self.disk.prefetch)
        return self._row(outcome, unit, samples, self._estimate(samples, median), bar)

    def _worst(self, outcome: str, unit: str, column: str, bar: Bar | None) -> Judgement:
        (sample,) = samples = pairs(self.cells, column, self.disk.prefetch)
        found = Estimate(len(sample), float(sample.max()) if len(sample) else math.nan)
        return self._row(outcome, unit, samples, found, bar)

    def _estimate(self, samples: Sequence[Array], statistic: Statistic) -> Estimate:
        return estimate(samples, statistic, self.bars)

    def _row(self, outcome: str, unit: str, samples: Sequence[Array], found: Estimate, bar: Bar | None) -> Judgement:
        baseline = middle(samples[1]) if len(samples) > 1 else math.nan
        text, verdict = (bar.text, bar.verdict(found, self.bars.least_blocks)) if bar else ("", "")
        return Judgement(self.name, outcome, unit, baseline, middle(samples[0]), found, text, verdict)


def middle(sample: Array) -> float:
    return float(np.median(sample)) if len(sample) else math.nan


def markdown(judged: Sequence[Judgement], bars: Bars, run: Run) -> str:
    """The comparisons as a table to be read."""
    verdicts = [judgement.verdict for judgement in judged]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in (MET, MISSED, CANNOT_TELL))
    lines = [
        f"# The prefetcher and its bars: run {run.name}",
        "",
        f"{counts}. Medians over blocks; value: prefetch / baseline, or the prefetch's own where no baseline stands. "
        f"In brackets: {100 * bars.confidence:g} % interval over blocks (bootstrap, BCa; with a star percentile, where "
        f"BCa is not defined). With fewer than {bars.least_blocks} blocks nothing can be told. "
        f"Bars that stand on one disk only hold on {bars.judged_disk}.",
        "",
    ]
    if run.times_are_emulated:
        lines += ["Times are emulated (TCG): compare their ratios, not seconds.", ""]
    lines += [
        "| disk | outcome | blocks | baseline | prefetch | value | bar | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in judged:
        found = row.found
        cells = (
            row.disk,
            row.outcome + (f" [{row.unit}]" if row.unit else ""),
            str(found.blocks),
            number(row.baseline),
            number(row.prefetch),
            with_interval(found),
            row.bar or "-",
            row.verdict or "-",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
