"""The section [alpha] of experiments.toml: the paper's pressure program."""

from typing import Annotated

from pydantic import Field, model_validator

from testbed.section import Count, Section


class AlphaSettings(Section):
    """``bytes`` are written at every ``stride``-th byte of ``size_mib`` MiB."""

    size_mib: Count
    stride: Count
    bytes: Count
    ceiling_extra_mib: Annotated[int, Field(ge=0, le=1024)]

    @property
    def pages(self) -> int:
        """Pages of 4 KiB that it writes to, at least."""
        return -(-self.size_mib * 1024 * 1024 // max(self.stride, 4096))

    @model_validator(mode="after")
    def _bytes_fit(self) -> "AlphaSettings":
        if self.bytes > self.stride:
            raise ValueError("bytes must not be larger than stride")
        return self
