"""What the controls of a suite say: whose pages are prefetched, and what must make no difference. Pure."""

import math
from collections.abc import Iterable

from analysis.conditions import AGAIN
from analysis.effects import Effect, correct, least_p, unlike
from analysis.sentences import CLEARLY_MORE, Sentence, listed, over, than, told
from analysis.statistics import SIGNIFICANT
from analysis.suites import FAULTS, OURS, Suite

ALONE, PROGRAM, CONTAINER = "same-process", "same-program", "container"
WRONG = {ALONE: "the pages of the process that faults first alone", "other-container": "pages of a wrong container"}
ALIKE = {"placebo": "no daemon at all", AGAIN: "the same under another name"}


def sentences(suite: Suite, effects: Iterable[Effect]) -> list[Sentence]:
    """``effects``: all of the run's."""
    found = list(effects)
    alike = [alike_or_not(name, [effect for effect in found if effect.condition == name])
             for name in ALIKE if name in suite.measured]  # fmt: skip
    return [*whose_pages(suite), *alike]


def whose_pages(suite: Suite) -> list[Sentence]:
    """Whether prefetching for the wrong processes does as well, and what the siblings alone add."""
    there = [*(name for name in (*WRONG, PROGRAM, CONTAINER, OURS) if name in suite.measured)]
    faults = {name: suite.standing(name, FAULTS).median for name in there}
    tests = [(name, OURS, f"prefetches {what}") for name, what in WRONG.items()]
    tests.append((ALONE, CONTAINER, f"differs from {CONTAINER} by the siblings left out"))
    tests.append((PROGRAM, CONTAINER, f"differs from {CONTAINER} by each program being on its own, known by its name"))
    told_of = [(name, other, what) for name, other, what in tests if name in there and other in there]
    words = [than(faults[name], faults[other]) for name, other, _ in told_of]
    table = f"suite-{suite.name}.csv"
    found = [
        Sentence(
            f"{name}, which {what}, has {word} RDBMS major faults than {other}: {told(faults[name])} against "
            f"{told(faults[other])}, {over([faults[name], faults[other]])}.",
            table,
            f"conditions {name} and {other}, outcome {FAULTS}",
        )
        for (name, other, what), word in zip(told_of, words, strict=True)
    ]
    if len(told_of) < len(tests) or not all(one.method for one in faults.values()):
        return found
    if set(words) == {CLEARLY_MORE}:
        text = f"So, with all {len(words)} comparisons clearly worse, it is membership in the container that tells "
        text += "whose pages will be needed, in this run."
    else:
        text = "So this run does not show that membership in the container is what tells whose pages will be needed: "
        text += f"of {len(words)} comparisons {words.count(CLEARLY_MORE)} are clearly worse."
    return [*found, Sentence(text, table, f"conditions {listed(there)}, outcome {FAULTS}")]


def alike_or_not(name: str, effects: list[Effect]) -> Sentence:
    """Of a condition that is to make no difference; corrected for its own comparisons."""
    known = [effect for effect in correct(effects) if not math.isnan(effect.q)]
    head, rows = f"{name} ({ALIKE[name]})", f"condition {name}"
    least = min((least_p(effect.blocks) for effect in known), default=1)
    if least > SIGNIFICANT:
        text = f"Whether {head} makes a difference cannot be told: too few replicates."
        return Sentence(text, "effects.csv", rows)
    if shown := unlike(known):
        labels = [f"{effect.outcome.label} (ratio {told(effect.ratio)})" for effect in shown]
        text = f"{head} makes a difference: it is unlike {shown[0].against} in {listed(labels)}"
    else:
        one = next((effect for effect in known if effect.outcome.name == FAULTS), known[0])
        text = f"{head} makes no difference that shows: no q of {len(known)} comparisons with {one.against} is "
        text += f"{SIGNIFICANT:g} or less; {one.outcome.label}, ratio: {told(one.ratio)}"
        if least * len(known) > SIGNIFICANT:
            text += "; with so few blocks a difference in one outcome alone could not show"
    return Sentence(f"{text}; {over(effect.ratio for effect in known)}.", "effects.csv", rows)
