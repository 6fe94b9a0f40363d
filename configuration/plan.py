"""The plan of a run: which cells, in which order. Pure."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from configuration.condition import Base, Condition
from configuration.load import Configuration
from configuration.plan_file import PlanFile


@dataclass(frozen=True)
class Cell:
    """One run of the paper's steps under one condition."""

    replicate: int
    condition: str
    topology: str
    policy: str

    @property
    def name(self) -> str:
        return f"{self.replicate:02d}-{self.condition}"


@dataclass(frozen=True)
class Plan:
    """Cells in the order they are run: blocks of one cell a condition, each block in its own random order."""

    seed: int
    cells: tuple[Cell, ...]

    def to_json(self) -> dict[str, Any]:
        return {"seed": self.seed, "cells": [{"name": cell.name, **asdict(cell)} for cell in self.cells]}

    @classmethod
    def of_file(cls, stored: PlanFile) -> "Plan":
        cells = (Cell(cell.replicate, cell.condition, cell.topology, cell.policy) for cell in stored.cells)
        return cls(stored.seed, tuple(cells))


def make_plan(configuration: Configuration) -> Plan:
    """The plan that a configuration stands for; the same seed gives the same plan."""
    order = random.Random(configuration.run.seed)  # noqa: S311 - a reproducible order, not a secret
    cells: list[Cell] = []
    for replicate in range(1, configuration.replicates + 1):
        names = list(configuration.conditions)
        order.shuffle(names)
        cells += [make_cell(replicate, name, configuration.condition[name]) for name in names]
    return Plan(configuration.run.seed, tuple(cells))


def make_cell(replicate: int, name: str, condition: Condition) -> Cell:
    return Cell(replicate, name, condition.topology, condition.policy)


def bases(configuration: Configuration, cells: Sequence[Cell]) -> list[Base]:
    """Whose warm snapshots cells need, in order of first use."""
    return list(dict.fromkeys(configuration.condition[cell.condition].base for cell in cells))
