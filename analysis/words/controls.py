"""What the controls of a suite say: whose pages are prefetched, and what must make no difference. Pure."""

import math
from collections.abc import Iterable

from analysis.estimates.effects import Effect, correct, least_p, unlike
from analysis.estimates.statistics import SIGNIFICANT
from analysis.estimates.suites import FAULTS, TOLERANCE, WORKING_SET, Suite, clearly
from analysis.records.conditions import AGAIN
from analysis.words.sentences import CLEARLY_MORE, Sentence, listed, over, than, told

ALONE, PROGRAM, CONTAINER = "same-process", "same-program", "container"
WRONG = {ALONE: "the pages of the process that faults first alone", "other-container": "pages of a wrong container"}
HELD = (
    ("siblings-protected", "siblings", "lets the kernel reclaim nothing of what was read ahead"),
    ("working-set-unheld", WORKING_SET, "does not hold the container's memory while an activation lasts"),
)
ALIKE = {"placebo": "no daemon at all", AGAIN: "the same under another name"}


def sentences(suite: Suite, effects: Iterable[Effect]) -> list[Sentence]:
    """``effects``: all of the run's."""
    found = list(effects)
    alike = [alike_or_not(name, [effect for effect in found if effect.condition == name])
             for name in ALIKE if name in suite.measured]  # fmt: skip
    return [*whose_pages(suite), *(one for one, _ in against(suite, HELD)), *alike]


def whose_pages(suite: Suite) -> list[Sentence]:
    """Whether prefetching for the wrong processes does as well, and what the siblings alone add."""
    tests = [
        *((name, WORKING_SET, f"prefetches {what}") for name, what in WRONG.items()),
        (ALONE, CONTAINER, f"differs from {CONTAINER} by the siblings left out"),
        (
            PROGRAM,
            CONTAINER,
            f"differs from {CONTAINER} by each program being on its own, from its own faults on",
        ),
    ]
    found = against(suite, tests)
    told_of, words = [sentence for sentence, _ in found], [word for _, word in found]
    there = [name for name in (*WRONG, PROGRAM, CONTAINER, WORKING_SET) if name in suite.measured]
    known = all(suite.standing(name, FAULTS).median.method for name in there)
    if len(found) < len(tests) or not known:
        return told_of
    if set(words) == {CLEARLY_MORE}:
        text = f"So, with all {len(words)} comparisons clearly worse, it is membership in the container that tells "
        text += "whose pages will be needed, and when, in this run."
    else:
        text = "So this run does not show that membership in the container is what tells whose pages will be needed, "
        text += f"and when: of {len(words)} comparisons {words.count(CLEARLY_MORE)} are clearly worse."
    return [*told_of, Sentence(text, table_of(suite), f"conditions {listed(there)}, outcome {FAULTS}")]


def against(suite: Suite, tests: Iterable[tuple[str, str, str]]) -> list[tuple[Sentence, str]]:
    """Of each (condition, other, what it does) that the suite has: who has more faults, and the word for it."""
    found = []
    for name, other, what in tests:
        if name not in suite.measured or other not in suite.measured:
            continue
        mine, its = (suite.standing(one, FAULTS).median for one in (name, other))
        word = than(mine, its)
        text = f"{name}, which {what}, has {word} RDBMS major faults than {other}: {told(mine)} against {told(its)}, "
        rows = f"conditions {name} and {other}, outcome {FAULTS}"
        found.append((Sentence(f"{text}{over([mine, its])}.", table_of(suite), rows), word))
    return found


def table_of(suite: Suite) -> str:
    return f"suite-{suite.name}.csv"


def alike_or_not(name: str, effects: list[Effect]) -> Sentence:
    """Of a condition that is to make no difference; corrected for its own comparisons."""
    known = [effect for effect in correct(effects) if not math.isnan(effect.q)]
    head, rows = f"{name} ({ALIKE[name]})", f"condition {name}"
    least = min((least_p(effect.blocks) for effect in known), default=1)
    if least > SIGNIFICANT:
        text = f"Whether {head} makes a difference cannot be told: too few replicates."
        return Sentence(text, "effects.csv", rows)
    if shown := unlike(known):
        large = [effect for effect in shown if abs(effect.ratio.value - 1) > TOLERANCE]
        small = [effect.outcome.label for effect in shown if effect not in large]
        less = f"by less than {100 * TOLERANCE:g} %, in {listed(small)}"
        text = f"{head} makes a difference: it is unlike {shown[0].against} in {with_ratios(large)}"
        text += f", and, {less}" if small else ""
        if not large:
            text = f"{head} makes no large difference: it is unlike {shown[0].against} {less}"
    else:
        one = next((effect for effect in known if effect.outcome.name == FAULTS), known[0])
        text = f"{head} makes no difference that shows: no q of {len(known)} comparisons with {one.against} is "
        text += f"{SIGNIFICANT:g} or less; {one.outcome.label}, ratio: {told(one.ratio)}"
        if least * len(known) > SIGNIFICANT:
            text += "; with so few blocks a difference in one outcome alone could not show"
        if clear := [effect for effect in known if clearly(effect.ratio)]:
            text += f"; by their intervals alone, not corrected, clearly unlike: {with_ratios(clear)}"
    return Sentence(f"{text}; {over(effect.ratio for effect in known)}.", "effects.csv", rows)


def with_ratios(effects: Iterable[Effect]) -> str:
    return listed([f"{effect.outcome.label} (ratio {told(effect.ratio)})" for effect in effects])
