"""Where labels stand beside their points so that none covers another, nor a point. Pure."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

RADII = (7, 12, 18, 26, 36, 48, 62, 78, 96, 118, 142, 170, 202, 240, 290, 350)  # from a point to its label's edge
ANGLES = tuple(math.radians(angle) for angle in (0, 180, 30, 330, 150, 210, 60, 300, 120, 240, 90, 270))
# What a place costs beside its distance.
ON_A_LINE, LINES_CROSS, THROUGH_A_POINT, THROUGH_A_LABEL = 12, 25, 30, 120

Point = tuple[float, float]


class Box(NamedTuple):
    """Left, bottom, right and top, in a unit that is the same in both directions."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def middle(self) -> Point:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def meets(self, other: "Box") -> bool:
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1

    def inside(self, other: "Box") -> bool:
        return other.x0 <= self.x0 and self.x1 <= other.x1 and other.y0 <= self.y0 and self.y1 <= other.y1

    def nearest(self, point: Point) -> Point:
        return max(self.x0, min(point[0], self.x1)), max(self.y0, min(point[1], self.y1))

    def distance(self, point: Point) -> float:
        return math.dist(self.nearest(point), point)


class Leader(NamedTuple):
    """The line from a point to its label."""

    begin: Point
    end: Point

    def passes(self, box: Box) -> bool:
        """Liang and Barsky's clipping."""
        enter, leave = 0.0, 1.0
        for axis, (low, high) in enumerate(((box.x0, box.x1), (box.y0, box.y1))):
            at, step = self.begin[axis], self.end[axis] - self.begin[axis]
            if step == 0 and not low < at < high:
                return False
            if step:
                first, last = sorted(((low - at) / step, (high - at) / step))
                enter, leave = max(enter, first), min(leave, last)
        return enter < leave

    def crosses(self, other: "Leader") -> bool:
        return self._parts(other) and other._parts(self)

    def _parts(self, other: "Leader") -> bool:
        """Whether the other's ends lie on both sides of the line that this one is a part of."""
        (x, y), (dx, dy) = self.begin, (self.end[0] - self.begin[0], self.end[1] - self.begin[1])
        sides = [dx * (end[1] - y) - dy * (end[0] - x) for end in other]
        return sides[0] * sides[1] < 0


def place(
    points: Sequence[Point], sizes: Sequence[Point], bounds: Box, marks: Sequence[Box], lines: Sequence[Box] = ()
) -> list[Box]:
    """A box of its size for each point's label, within ``bounds``: greedily, in the best of several orders.

    It covers no other label and none of ``marks`` (a point's own is that of its index), if there is room at all; it is
    near, keeps off ``lines``, and has a leader to its point that crosses little.
    """
    everyone = range(len(points))
    by_crowd = sorted(everyone, key=lambda one: crowd(points, one))
    by_x, by_y = (sorted(everyone, key=lambda one: points[one][axis]) for axis in (0, 1))
    orders = [order for way in (by_crowd, by_x, by_y) for order in (way, way[::-1])]
    _, best = min((in_order(order, points, sizes, bounds, marks, lines) for order in orders), key=lambda one: one[0])
    return [best[index] for index in everyone]


def in_order(
    order: Sequence[int],
    points: Sequence[Point],
    sizes: Sequence[Point],
    bounds: Box,
    marks: Sequence[Box],
    lines: Sequence[Box],
) -> tuple[float, dict[int, Box]]:
    """What it costs in all, and each point's box; a point without room has one of no size."""
    whole, placed = 0.0, dict[int, Box]()
    for index in order:
        there = Surroundings(
            points[index],
            list(placed.values()),
            [Leader(points[other], box.nearest(points[other])) for other, box in placed.items()],
            [mark for other, mark in enumerate(marks) if other != index],
            lines,
        )
        least, placed[index] = math.inf, Box(*points[index], *points[index])
        for box in around(points[index], sizes[index]):
            if box.distance(points[index]) >= least:
                continue
            if box.inside(bounds) and not any(box.meets(other) for other in (*there.labels, *marks)):
                cost = there.cost(box)
                least, placed[index] = (cost, box) if cost < least else (least, placed[index])
        whole += least
    return whole, placed


class Surroundings(NamedTuple):
    """What is there already around a point, when its label is placed."""

    point: Point
    labels: Sequence[Box]
    leaders: Sequence[Leader]
    marks: Sequence[Box]
    lines: Sequence[Box]

    def cost(self, box: Box) -> float:
        leader = Leader(self.point, box.nearest(self.point))
        return (
            box.distance(self.point)
            + ON_A_LINE * any(box.meets(line) for line in self.lines)
            + LINES_CROSS * sum(leader.crosses(other) for other in self.leaders)
            + THROUGH_A_POINT * sum(leader.passes(mark) for mark in self.marks)
            + THROUGH_A_LABEL * sum(leader.passes(label) for label in self.labels)
            + THROUGH_A_LABEL * sum(other.passes(box) for other in self.leaders)
        )


def crowd(points: Sequence[Point], index: int) -> float:
    """The more and the nearer its neighbours, the larger."""
    return sum(1 / (1 + math.dist(points[index], point)) for point in points)


def around(point: Point, size: Point) -> Iterator[Box]:
    """Nearest first."""
    (x, y), (width, height) = point, size
    for radius in RADII:
        for angle in ANGLES:
            across, up = (radius + width / 2) * math.cos(angle), (radius + height / 2) * math.sin(angle)
            yield Box(x + across - width / 2, y + up - height / 2, x + across + width / 2, y + up + height / 2)
