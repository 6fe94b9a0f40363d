"""What the tables of experiments.toml are made of."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0, le=86400)]
Limit = Annotated[float, Field(gt=0, le=86400)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Processes = Annotated[int, Field(ge=1, le=100)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$")]
Conditions = Annotated[tuple[str, ...], Field(min_length=1)]
Replicates = Annotated[int, Field(ge=1, le=10_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Ratio = Annotated[float, Field(gt=0, le=1000)]


def within_comm(name: str) -> str:
    """Raises ValueError for a name of which the kernel keeps but a part (proc_pid_comm(5)): it never occurs."""
    if len(name.encode()) > 15:
        raise ValueError(f"the kernel keeps 15 bytes of a name: {name.encode()[:15].decode(errors='ignore')!r}")
    return name


Comm = Annotated[str, Field(min_length=1), AfterValidator(within_comm)]


class Section(BaseModel):
    """A table of experiments.toml: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
