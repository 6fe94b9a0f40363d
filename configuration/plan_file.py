"""plan.json as a checked model: which cells a run has. The run may be another person's."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from testbed.errors import UsageError
from testbed.files.documents import read_json
from testbed.section import Name, Section, Seed

OTHER_VERSION = "the run is from another version of this program, or was changed: report it with that version"
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PlannedCell(Section):
    """A cell that is to be run. Its name is that of its folder, so it can be no path."""

    name: str
    replicate: Annotated[int, Field(ge=1, le=1_000_000)]
    condition: Name
    topology: Literal["plain", "lxc"]
    policy: Name

    @model_validator(mode="after")
    def _is_named_by_its_place(self) -> "PlannedCell":
        if self.name != f"{self.replicate:02d}-{self.condition}":
            raise ValueError(f"its name is not {self.replicate:02d}-{self.condition}")
        return self


def each_once(cells: tuple[PlannedCell, ...]) -> tuple[PlannedCell, ...]:
    if len({cell.name for cell in cells}) != len(cells):
        raise ValueError("a cell is planned twice")
    return cells


class PlanFile(Section):
    """``configuration``: SHA-256 (hex) of configuration.toml; earlier versions did not tell."""

    run: str
    configuration: Digest | None = None
    seed: Seed
    cells: Annotated[tuple[PlannedCell, ...], Field(min_length=1), AfterValidator(each_once)]


def read_plan(path: Path) -> PlanFile:
    """Raises UsageError naming the file and what is wrong with it."""
    values = read_json(path)
    if isinstance(values, dict) and isinstance(values.get("cells"), list):
        values["cells"] = tuple(values["cells"])  # lists of JSON are tuples here
    try:
        return PlanFile.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{path}: {place + ': ' if place else ''}{said}", OTHER_VERSION) from None
