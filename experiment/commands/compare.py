"""`run.py compare`: two runs side by side, on the terminal and as Markdown, and the exit code."""

import argparse
from collections.abc import Callable
from pathlib import Path

from analysis.comparison.compare import Comparison, compare
from analysis.comparison.words import CAPTION, HEADINGS, heads, in_words, markdown, row
from analysis.study import Study
from analysis.words.markdown import escaped
from experiment.choices import refuse_no_file
from experiment.open_run import open_study
from experiment.terminal.console import Console
from experiment.terminal.table import show, table_of
from testbed.errors import UsageError

TERMINAL = Path("-")
# What --fail-on may name, and where a comparison has it.
FAILURES: dict[str, Callable[[Comparison], list[str]]] = {
    "regression": lambda found: found.regressions,
    "flipped-claim": lambda found: found.flipped,
    "lost": lambda found: found.lost,
}


def run(words: argparse.Namespace) -> int:
    if words.summary and words.summary != TERMINAL:
        refuse_no_file("--summary", words.summary)
    return show_and_judge(words.results, (words.run_a, words.run_b), words.fail_on, words.summary, Console())


def show_and_judge(
    results: Path, names: tuple[str, str], fail_on: str | None, summary: Path | None, console: Console
) -> int:
    """Exit code 1 where B has something that ``fail_on`` names: words of FAILURES, separated by commas.

    ``summary``: the file that the Markdown is appended to; TERMINAL stands for standard output. Raises UsageError,
    which the file tells, too: whoever reads it does not see the terminal.
    """
    try:
        return compared(results, names, fail_on, summary, console)
    except UsageError as error:
        if summary and summary != TERMINAL:
            write(summary, f"## Two runs side by side: not compared\n\n- {escaped(str(error))}\n\n", console)
        raise


def compared(results: Path, names: tuple[str, str], fail_on: str | None, summary: Path | None, console: Console) -> int:
    wanted = kinds(fail_on)
    (a, of_a), (b, of_b) = (open_side(results, word) for word in names)
    if bool(of_a) != bool(of_b):
        raise UsageError("name a condition of both runs, or of none", "compare RUN_A:CONDITION RUN_B:CONDITION")
    found = compare(a, b, [(of_a, of_b)] if of_a else [])
    if not found.differences:
        message = f"runs {a.run.name} and {b.run.name} have no condition with values in common"
        raise UsageError(message, "compare RUN_A:CONDITION RUN_B:CONDITION")
    for line in heads(a, b):
        console.print(line)
    numbers = [place for place, heading in enumerate(HEADINGS) if heading not in ("condition", "outcome", "B is")]
    show(console, table_of(HEADINGS, [row(one) for one in found.differences], right=numbers))
    console.print(CAPTION)
    console.print(in_words(found))
    failed = list(dict.fromkeys(line for kind in wanted for line in FAILURES[kind](found)))
    if failed:
        console.print(f"failed, as asked: {'; '.join(failed)}")
    if summary:
        write(summary, markdown(a, b, found), console)
    return 1 if failed else 0


def kinds(fail_on: str | None) -> list[str]:
    """Of failures. Raises UsageError for what is none: a misspelt one would never fail."""
    found = [] if fail_on is None else [word.strip() for word in fail_on.split(",")]
    for word in found:
        if word not in FAILURES:
            raise UsageError(f"--fail-on {word!r}: expected {', '.join(FAILURES)}", "--fail-on regression")
    return found


def open_side(results: Path, word: str) -> tuple[Study, str]:
    """A run, or RUN:CONDITION. Raises UsageError if there is no such run or condition."""
    name, _, condition = word.partition(":")
    found = open_study(results, name)
    if condition and condition not in found.conditions:
        raise UsageError(
            f"run {name} has no condition {condition!r}; it has {', '.join(found.conditions)}", "RUN:CONDITION"
        )
    return found, condition


def write(summary: Path, text: str, console: Console) -> None:
    """Appended: other programs write to such a page, too. Raises OSError."""
    if summary == TERMINAL:
        console.print(text, end="")
        return
    with summary.open("a") as file:
        file.write(text)
