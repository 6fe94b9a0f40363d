"""`run.py compare`: two runs side by side on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from analysis.compare import Comparison, compare
from analysis.numbers import number, probability, several, with_interval
from analysis.study import Study
from experiment.reading import open_study
from testbed.errors import UsageError


def open_side(results: Path, word: str) -> tuple[Study, str]:
    """A run, or RUN:CONDITION. Raises UsageError if there is no such run or condition."""
    name, _, condition = word.partition(":")
    found = open_study(results, name)
    if condition and condition not in found.conditions:
        raise UsageError(f"run {name} has no condition {condition!r}; it has {', '.join(found.conditions)}")
    return found, condition


def main(results: Path, words: tuple[str, str], fail_on: str | None, console: Console) -> int:
    """Exit code 1 where ``fail_on`` is "regression" and there is one."""
    (a, of_a), (b, of_b) = (open_side(results, word) for word in words)
    if bool(of_a) != bool(of_b):
        raise UsageError("name a condition of both runs, or of none: RUN_A:CONDITION RUN_B:CONDITION")
    found = compare(a, b, [(of_a, of_b)] if of_a else [])
    if not found.differences:
        raise UsageError(f"runs {a.run.name} and {b.run.name} have no condition with values in common")
    for line in heads(a, b):
        console.print(line)
    console.print(table(found))
    console.print(in_words(found))
    return 1 if fail_on == "regression" and found.regressions else 0


def heads(a: Study, b: Study) -> list[str]:
    return [
        f"{side}: run {run.name}, {run.accelerator.upper()}, guest kernel {run.kernel}, {run.dataset}, "
        f"{several(int(found.cells['valid'].sum()), 'valid cell')}"
        for side, found in (("A", a), ("B", b))
        for run in (found.run,)
    ]


def table(found: Comparison) -> Table:
    made = Table(caption="times: each run's ratio to its own baseline")
    for heading in ("condition", "outcome", "A", "B", "B / A", "q", "B is"):
        made.add_column(heading, justify="left" if heading in ("condition", "outcome", "B is") else "right")
    for one in found.differences:
        unit = "ratio" if one.relative else one.outcome.unit
        made.add_row(
            one.condition,
            one.outcome.label + (f" [{unit}]" if unit else ""),
            number(one.a),
            number(one.b),
            with_interval(one.ratio),
            probability(one.q),
            one.verdict,
        )
    return made


def in_words(found: Comparison) -> str:
    lines = [f"claim {flip.claim} ({flip.text}): {flip.a} in A, {flip.b} in B" for flip in found.flips]
    untold = sum(one.verdict == "cannot tell" for one in found.differences)
    if untold:
        lines.append(f"{several(untold, 'comparison')} cannot be judged: too few replicates")
    worse = found.regressions
    lines.append(f"worse in B: {'; '.join(worse)}" if worse else "nothing is shown to be worse in B")
    return "\n".join(lines)
