"""The section [bystander] of experiments.toml: a container that nobody talks to."""

from typing import Annotated

from pydantic import Field

from testbed.section import Section


class BystanderSettings(Section):
    size_mib: Annotated[int, Field(ge=0, le=65536)]
