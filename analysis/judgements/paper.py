"""The paper as data (analysis/judgements/paper.toml): its set-up and its claims with their tests."""

import json
import tomllib
from functools import cache
from pathlib import Path

from pydantic import model_validator

from testbed.section import Section

FILE = Path(__file__).with_name("paper.toml")


class SetupRow(Section):
    """``paper``: what it states. Ours is a value of the configuration (``ours``), a fact of the run, or words."""

    what: str
    paper: str
    ours: str = ""
    fact: str = ""
    said: str = ""
    unit: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> "SetupRow":
        if sum(map(bool, (self.ours, self.fact, self.said))) != 1:
            raise ValueError(f"{self.what}: expected exactly one of ours, fact, said")
        return self


class Setup(Section):
    table: str
    rows: tuple[SetupRow, ...]


class Expectation(Section):
    """A measure over the cells of ``condition``, divided by those of ``against`` where that is given; its limits."""

    measure: str
    condition: str = ""
    against: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> "Expectation":
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"{self.measure}: expected at_least, at_most or both")
        return self


class Claim(Section):
    id: str
    place: str
    text: str
    tests: tuple[Expectation, ...]


class Paper(Section):
    title: str
    authors: str
    source: str
    setup: tuple[Setup, ...]
    claim: tuple[Claim, ...]


@cache
def paper() -> Paper:
    return Paper.model_validate_json(json.dumps(tomllib.loads(FILE.read_text())))  # lists are tuples there
