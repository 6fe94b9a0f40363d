"""The synthetic company: who works when, under which titles, in which departments, for which salary.

Pure functions of a seed. Counts of every table and title equal the public database's; people, dates and
amounts are invented. Only ``random`` and ``integers`` of a seeded PCG64 are drawn on, so that a
seed stays a seed.

Days are integers: days since EPOCH, FOREVER for "still so" (9999-01-01). People and departments are indices.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workloads.service_a.dataset.facts import EXPECTED_ROWS, EXPECTED_TITLES

Ints = NDArray[np.int64]

EPOCH = np.datetime64("1952-01-01", "D")
YEAR = 365


def day(date: str) -> int:
    """The day number of an ISO date."""
    return int((np.datetime64(date, "D") - EPOCH).astype(np.int64))


FIRST_HIRE = day("1985-01-01")
LAST_HIRE = day("2000-01-28")
TODAY = day("2002-08-01")  # the last day that the company's records know
FOREVER = TODAY + 2

TITLES = tuple(EXPECTED_TITLES)
MANAGERS_PER_DEPARTMENT = (2, 2, 2, 4, 2, 4, 2, 2, 4)

CAREERS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("Staff",), 41_376),
    (("Staff", "Senior Staff"), 66_000),
    (("Senior Staff",), 26_838),
    (("Assistant Engineer",), 4_500),
    (("Assistant Engineer", "Engineer"), 6_000),
    (("Assistant Engineer", "Engineer", "Senior Engineer"), 4_628),
    (("Engineer",), 42_377),
    (("Engineer", "Senior Engineer"), 61_998),
    (("Senior Engineer",), 31_124),
    (("Technique Leader",), 15_159),
)
"""Titles in order of time, and how many people have them; with the managers' they make the public counts."""

STAFF_CAREERS = 3
"""The first three careers belong to the departments of STAFF_WEIGHTS, the others to ENGINEER_WEIGHTS'."""
STAFF_WEIGHTS = {0: 20, 1: 17, 2: 18, 6: 52, 8: 24}
ENGINEER_WEIGHTS = {3: 73, 4: 86, 5: 20, 7: 21}


class People(NamedTuple):
    """One row a person, in the order of their numbers."""

    number: Ints
    career: Ints  # index in CAREERS, -1 for a manager
    hired: Ints
    left: Ints
    promoted: Ints  # (people, 2): days of the second and third title


class Spans(NamedTuple):
    """One row a span of time; sorted by person, then by ``what``."""

    person: Ints
    what: Ints  # index of a title or department, or a salary
    start: Ints
    end: Ints


@dataclass(frozen=True)
class Company:
    people: People
    titles: Spans
    departments: Spans
    managers: Spans
    salaries: Spans


def company(seed: int) -> Company:
    """All of the company; each part has a random stream of its own."""
    people = employ(_stream(seed, 0))
    managers = appoint(people)
    return Company(
        people=people,
        titles=entitle(people, managers),
        departments=assign(_stream(seed, 1), people, managers),
        managers=managers,
        salaries=pay(_stream(seed, 2), people),
    )


def employ(rng: np.random.Generator) -> People:
    """Numbers, careers and the days that careers turn on.

    A promotion comes after five to nine years and before TODAY. Every fifth person leaves, at any time after
    the last promotion.
    """
    counts = [count for _, count in CAREERS]
    shuffled = np.repeat(np.arange(len(CAREERS)), counts)[_shuffle(rng, sum(counts))]
    career = np.insert(shuffled, 100_000, np.full(EXPECTED_ROWS["dept_manager"], -1))
    promotions = np.append([len(titles) - 1 for titles, _ in CAREERS], 0)[career]
    total = len(career)

    latest = np.minimum(LAST_HIRE, TODAY - 1 - 5 * YEAR * promotions)
    hired = FIRST_HIRE + (rng.random(total) ** 0.8 * (latest - FIRST_HIRE)).astype(np.int64)
    hired[career < 0] = FIRST_HIRE
    spare = np.minimum(4 * YEAR, (TODAY - 1 - hired) // np.maximum(promotions, 1) - 5 * YEAR)
    waits = 5 * YEAR + (rng.random((total, 2)) * np.maximum(spare, 0)[:, None]).astype(np.int64)
    promoted = hired[:, None] + np.cumsum(waits, axis=1)

    last = np.where(promotions > 0, promoted[np.arange(total), np.maximum(promotions, 1) - 1], hired)
    leaving = last + 1 + (rng.random(total) * (TODAY - last)).astype(np.int64)
    left = np.where((rng.random(total) < 0.2) & (career >= 0), leaving, FOREVER)
    return People(_numbers(total), career, hired, left, promoted)


def appoint(people: People) -> Spans:
    """Every department's managers, who follow each other at even intervals; the last one is in office."""
    spans = []
    persons = iter(np.flatnonzero(people.career < 0).tolist())
    for department, count in enumerate(MANAGERS_PER_DEPARTMENT):
        years = 14 - department % 3
        days = [*(FIRST_HIRE + step * years * YEAR // count for step in range(count)), FOREVER]
        spans += [(next(persons), department, days[step], days[step + 1]) for step in range(count)]
    return Spans(*np.array(spans, dtype=np.int64).T)


def entitle(people: People, managers: Spans) -> Spans:
    """Titles: careers for all; Staff before and Senior Staff after the term of a manager."""
    parts = []
    for step in range(3):
        title_of = np.array([TITLES.index(t[step]) if len(t) > step else -1 for t, _ in CAREERS] + [-1])
        following = np.array([len(titles) > step + 1 for titles, _ in CAREERS] + [False])
        title = title_of[people.career]
        start = people.promoted[:, step - 1] if step else people.hired
        end = np.where(following[people.career], people.promoted[:, min(step, 1)], people.left)
        parts.append(_where(title >= 0, Spans(np.arange(len(title)), title, start, end)))

    def named(title: str, start: Ints, end: Ints) -> Spans:
        spans = Spans(managers.person, np.full(len(start), TITLES.index(title)), start, end)
        return _where(start < end, spans)

    parts.append(named("Staff", people.hired[managers.person], managers.start))
    parts.append(named("Manager", managers.start, managers.end))
    parts.append(named("Senior Staff", managers.end, people.left[managers.person]))
    return _sorted(parts)


def assign(rng: np.random.Generator, people: People, managers: Spans) -> Spans:
    """Departments: one for all, a second one of the same kind for as many as the public database has."""
    total = len(people.number)
    staff = people.career < STAFF_CAREERS
    first = np.where(staff, _draw(rng, STAFF_WEIGHTS, total), _draw(rng, ENGINEER_WEIGHTS, total))
    first[managers.person] = managers.what
    second = np.where(staff, _next_of(STAFF_WEIGHTS)[first], _next_of(ENGINEER_WEIGHTS)[first])

    stay = np.minimum(people.left, TODAY) - people.hired
    movable = (stay > 2 * YEAR) & (people.career >= 0)
    order = np.argsort(np.where(movable, rng.random(total), 2.0), kind="stable")
    movers = np.sort(order[: EXPECTED_ROWS["dept_emp"] - total])
    moved = people.hired + YEAR + (rng.random(total) * (stay - 2 * YEAR)).astype(np.int64)

    until = people.left.copy()
    until[movers] = moved[movers]
    return _sorted(
        [
            Spans(np.arange(total), first, people.hired, until),
            Spans(movers, second[movers], moved[movers], people.left[movers]),
        ]
    )


def pay(rng: np.random.Generator, people: People) -> Spans:
    """Salaries, raised every 365 days; some wait two years for the first, so that the count is exact."""
    years = -(-(np.minimum(people.left, TODAY) - people.hired) // YEAR)
    surplus = int(years.sum()) - EXPECTED_ROWS["salaries"]
    order = np.argsort(np.where(years > 1, rng.random(len(years)), 2.0), kind="stable")
    if not 0 <= surplus <= int((years > 1).sum()):
        raise ValueError(f"{surplus:,} salaries too many")  # no seed comes near: 70,000 +- 2,000
    waits = np.zeros(len(years), dtype=np.int64)
    waits[order[:surplus]] = 1

    counts = years - waits
    person = np.repeat(np.arange(len(years)), counts)
    firsts = np.cumsum(counts) - counts
    nth = np.arange(len(person)) - firsts[person]
    start = people.hired[person] + YEAR * (nth + (nth > 0) * waits[person])
    end = np.append(start[1:], FOREVER)
    lasts = firsts + counts - 1
    end[lasts] = people.left

    raises = np.cumsum(rng.integers(-700, 4_400, len(person)))
    entry = 39_000 + (rng.random(len(years)) ** 2 * 42_000).astype(np.int64)
    return Spans(person, (entry - raises[firsts])[person] + raises, start, end)


def _stream(seed: int, part: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, part]))


def _shuffle(rng: np.random.Generator, total: int) -> Ints:
    return np.argsort(rng.random(total), kind="stable")


def _numbers(total: int) -> Ints:
    """Employee numbers as the public database has them: three ranges with gaps between."""
    low = total - 200_000
    ranges = (10_001, 10_001 + low), (200_000, 300_000), (400_000, 500_000)
    return np.concatenate([np.arange(first, end) for first, end in ranges])


def _draw(rng: np.random.Generator, weights: dict[int, int], total: int) -> Ints:
    bounds = np.cumsum(list(weights.values()))
    return np.array(list(weights))[np.searchsorted(bounds, rng.integers(0, bounds[-1], total), side="right")]


def _next_of(weights: dict[int, int]) -> Ints:
    """The department that follows each one among those of ``weights``."""
    following = np.full(len(MANAGERS_PER_DEPARTMENT), -1)
    following[list(weights)] = np.roll(list(weights), -1)
    return following


def _where(mask: NDArray[np.bool_], spans: Spans) -> Spans:
    return Spans(*(column[mask] for column in spans))


def _sorted(parts: list[Spans]) -> Spans:
    spans = Spans(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    order = np.argsort(spans.person * 16 + spans.what, kind="stable")
    return Spans(*(column[order] for column in spans))
