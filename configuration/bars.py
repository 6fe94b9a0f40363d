"""[bars] of experiments.toml: what the prefetcher has to reach, and how it is told (analysis/judgements/bars.py)."""

from typing import Annotated

from pydantic import Field, model_validator

from testbed.section import Limit, Name, Ratio, Seconds, Section, Seed, Share


class DiskBars(Section):
    """The two conditions that are compared on one disk, and the bar that differs from disk to disk."""

    baseline: str
    prefetch: str
    excess_ratio: Ratio


class Intervals(Section):
    """How intervals are made, and with how few blocks none is."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: Annotated[int, Field(ge=100, le=20_000)]
    seed: Seed
    least_blocks: Annotated[int, Field(ge=3, le=1000)]


class Bars(Intervals):
    before_request_s: Seconds
    reference: str
    judged_disk: str
    rdbms_fewer: Share
    rdbms_ratio_upper: Ratio
    httpd_fewer: Share
    query_cgi_fewer: Share
    precision: Share
    coverage: Share
    late_share: Share
    read_bytes_ratio: Ratio
    first_byte_ratio: Ratio
    first_byte_ratio_upper: Ratio
    first_issue_ms: Limit
    disk: Annotated[dict[Name, DiskBars], Field(min_length=1)]

    @model_validator(mode="after")
    def _judged_disk_exists(self) -> "Bars":
        if self.judged_disk not in self.disk:
            raise ValueError(f"judged_disk: there is no disk {self.judged_disk!r}; there are {', '.join(self.disk)}")
        return self

    def conditions(self) -> list[str]:
        """All that the bars name."""
        return [self.reference, *(name for disk in self.disk.values() for name in (disk.baseline, disk.prefetch))]
