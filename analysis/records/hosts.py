"""Where cells ran: hosts are a factor of the experiment, and guests side by side disturb each other's times. Pure."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class RunHost:
    """``guests``: at a time, at most. ``blocks``: of which it ran cells."""

    name: str
    cells: int
    blocks: tuple[int, ...]
    guests: int


def hosts(cells: pd.DataFrame) -> list[RunHost]:
    """Of the frame of cells, those that ran somewhere; in the order of their names."""
    ran = cells[cells["ran_on"] != ""]
    return [
        RunHost(str(name), len(mine), tuple(sorted({int(n) for n in mine["replicate"]})), int(mine["guests"].max()))
        for name, mine in ran.groupby("ran_on", sort=True)
    ]


def torn_blocks(cells: pd.DataFrame) -> list[int]:
    """Blocks of which several hosts ran cells that count: their conditions are not compared on one machine."""
    counted = cells[(cells["ran_on"] != "") & cells["valid"].astype(bool)]
    places = counted.groupby("replicate")["ran_on"].nunique()
    return sorted(int(str(replicate)) for replicate in places[places > 1].index)


def warnings(cells: pd.DataFrame) -> list[str]:
    """What a reader of the result must know first, in sentences."""
    said = []
    most = max((host.guests for host in hosts(cells)), default=1)
    if most > 1:
        said.append(f"Up to {most} guests ran side by side: times are disturbed, compare fault counts only.")
    if torn := torn_blocks(cells):
        said.append(f"Cells of one block ran on several hosts, in block {', '.join(map(str, torn))}: one was gone.")
    return said
