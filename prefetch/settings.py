"""The section [prefetcher] of experiments.toml: when an activation begins and ends; see ``prefetchd --help``."""

from typing import Annotated

from pydantic import Field

from testbed.section import Section


class PrefetcherSettings(Section):
    quiet_ms: Annotated[int, Field(ge=100, le=3_600_000)]
    settle_ms: Annotated[int, Field(ge=100, le=3_600_000)]
    burst: Annotated[int, Field(ge=1, le=1000)]
    burst_ms: Annotated[int, Field(ge=1, le=60_000)]
