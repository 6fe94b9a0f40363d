"""Where cells ran, and what a reader must know of it."""

import pandas as pd

from analysis.records.hosts import RunHost, hosts, torn_blocks, warnings


def frame(*rows: tuple[int, str, int, bool]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["replicate", "ran_on", "guests", "valid"])


def test_hosts_with_their_cells_and_blocks() -> None:
    cells = frame((1, "x", 1, True), (1, "x", 1, True), (2, "y", 2, True), (3, "x", 1, False), (4, "", 1, False))
    assert hosts(cells) == [RunHost("x", 3, (1, 3), 1), RunHost("y", 1, (2,), 2)]


def test_a_block_is_torn_only_by_cells_that_count() -> None:
    cells = frame((1, "x", 1, True), (1, "y", 1, False), (2, "x", 1, True), (2, "y", 1, True), (3, "", 1, True))
    assert torn_blocks(cells) == [2]


def test_what_must_be_known_first() -> None:
    assert warnings(frame((1, "x", 1, True), (2, "y", 1, True))) == []
    assert warnings(frame((1, "", 1, False))) == []
    (beside,) = warnings(frame((1, "x", 2, True)))
    assert "2 guests ran side by side" in beside
    (torn,) = warnings(frame((3, "x", 1, True), (3, "y", 1, True)))
    assert "in block 3" in torn
