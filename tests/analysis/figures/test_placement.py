"""Labels: none covers another or a mark, whatever the points."""

import random
from itertools import combinations

import pytest

from analysis.figures.placement import Box, Leader, place

BOUNDS = Box(0, 0, 600, 400)


def around(x: float, y: float, half: float = 5) -> Box:
    return Box(x - half, y - half, x + half, y + half)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("spread", [3, 30, 250])
def test_twenty_labels_cover_neither_each_other_nor_a_mark(seed: int, spread: float) -> None:
    rng = random.Random(seed)  # noqa: S311
    points = [(300 + spread * rng.uniform(-1, 1), 200 + 0.7 * spread * rng.uniform(-1, 1)) for _ in range(20)]
    sizes = [(rng.uniform(30, 90), 11.0) for _ in points]
    marks = [around(*point) for point in points]
    boxes = place(points, sizes, BOUNDS, marks)
    assert not [pair for pair in combinations(boxes, 2) if pair[0].meets(pair[1])]
    assert not [box for box in boxes if any(box.meets(mark) for mark in marks)]
    assert all(box.inside(BOUNDS) for box in boxes)
    for box, (width, height) in zip(boxes, sizes, strict=True):
        assert box.x1 - box.x0 == pytest.approx(width)
        assert box.y1 - box.y0 == pytest.approx(height)


def test_a_lonely_label_stands_close_and_off_its_own_lines() -> None:
    (free,) = place([(300, 200)], [(50, 10)], BOUNDS, [around(300, 200)])
    assert free.distance((300, 200)) < 12
    line = Box(200, 199, 400, 201)
    (off,) = place([(300, 200)], [(50, 10)], BOUNDS, [around(300, 200)], [line])
    assert not off.meets(line)


def test_a_label_that_finds_no_room_has_no_size() -> None:
    assert place([(5, 5)], [(50, 10)], Box(0, 0, 20, 20), [around(5, 5)]) == [Box(5, 5, 5, 5)]
    assert place([], [], BOUNDS, []) == []


def test_leaders_pass_and_cross() -> None:
    assert Leader((0, 0), (10, 10)).passes(Box(4, 4, 6, 6))
    assert not Leader((0, 0), (10, 10)).passes(Box(6, 0, 9, 3))
    assert not Leader((0, 0), (3, 3)).passes(Box(4, 4, 6, 6)), "it ends before"
    assert Leader((5, 0), (5, 10)).passes(Box(4, 4, 6, 6)), "straight up"
    assert not Leader((7, 0), (7, 10)).passes(Box(4, 4, 6, 6))
    assert Leader((0, 0), (10, 10)).crosses(Leader((0, 10), (10, 0)))
    assert not Leader((0, 0), (10, 10)).crosses(Leader((20, 10), (10, 0)))
