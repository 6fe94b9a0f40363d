"""The section [service_a] of experiments.toml."""

from typing import Annotated

from pydantic import Field, field_validator

from testbed.section import Count, Processes, Section
from workloads.service_a.dataset import EXPECTED_TITLES


class ServiceASettings(Section):
    buffer_pool: Annotated[str, Field(pattern=r"^[1-9][0-9]*[KMG]?$")]
    title: str
    httpd_processes: Processes
    ceiling_mib: Count

    @field_validator("title")
    @classmethod
    def _title_exists(cls, title: str) -> str:
        if title not in EXPECTED_TITLES:
            raise ValueError(f"the employees database has no title {title!r}; it has {', '.join(EXPECTED_TITLES)}")
        return title
