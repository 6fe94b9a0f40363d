"""The sections [testbed] and [guest] of experiments.toml: the machine that is booted."""

from typing import Annotated, Literal

from pydantic import Field

from testbed.connection import LibvirtUri
from testbed.section import Section


class TestbedSettings(Section):
    libvirt_uri: LibvirtUri
    accelerator: Literal["auto", "kvm", "tcg"]


class GuestSettings(Section):
    memory_mib: Annotated[int, Field(ge=256, le=65536)]
    vcpus: Annotated[int, Field(ge=1, le=64)]
    root_gb: Annotated[int, Field(ge=2, le=1000)]
    swap_mib: Annotated[int, Field(ge=16, le=65536)]
    suite: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    kernel_arguments: Annotated[str, Field(pattern=r"^[ -~]*$")]
    attempts: Annotated[int, Field(ge=1, le=10)]
