"""A comparison of two runs in words: for the terminal, and as Markdown for a summary page. Pure."""

from analysis.comparison.compare import Comparison, Difference
from analysis.estimates.numbers import number, probability, several, with_interval
from analysis.study import Study
from analysis.words.markdown import escaped, table

HEADINGS = ("condition", "outcome", "A", "B", "B / A", "q", "B is")
CAPTION = "times: each run's ratio to its own baseline"


def heads(a: Study, b: Study) -> list[str]:
    return [
        f"{side}: run {run.name}, {run.accelerator.upper()}, guest kernel {run.kernel}, {run.dataset}, "
        f"{several(int(found.cells['valid'].sum()), 'valid cell')}"
        for side, found in (("A", a), ("B", b))
        for run in (found.run,)
    ]


def row(one: Difference) -> tuple[str, ...]:
    """Below HEADINGS."""
    unit = "ratio" if one.relative else one.outcome.unit
    return (
        one.condition,
        one.outcome.label + (f" [{unit}]" if unit else ""),
        number(one.a),
        number(one.b),
        with_interval(one.ratio),
        probability(one.q),
        one.verdict,
    )


def in_words(found: Comparison) -> str:
    lines = [f"claim {flip.claim} ({flip.text}): {flip.a} in A, {flip.b} in B" for flip in found.flips]
    untold = sum(one.verdict == "cannot tell" for one in found.differences)
    if untold:
        lines.append(f"{several(untold, 'comparison')} cannot be judged: too few replicates")
    lines += [f"lost in B: {line}" for line in found.lost]
    worse = found.regressions
    lines.append(f"worse in B: {'; '.join(worse)}" if worse else "nothing is shown to be worse in B")
    return "\n".join(lines)


def markdown(a: Study, b: Study, found: Comparison) -> str:
    """What is worse or turned first, then every claim, then every outcome, folded."""
    alarms = list(dict.fromkeys([*found.flipped, *found.regressions, *found.lost]))
    title = "what is worse, turned or lost" if alarms else "nothing is shown to be worse, and no claim turned"
    lines = [f"## Two runs side by side: {title}", ""]
    lines += [f"- **{escaped(alarm)}**" for alarm in alarms] + [f"- {escaped(head)}" for head in heads(a, b)]
    if found.claims:
        claims = ((one.claim, one.text, one.a, one.b, one.change) for one in found.claims)
        lines += ["", *table(["claim", "what it says", "in A", "in B", "verdict"], claims)]
    lines += ["", f"<details><summary>{several(len(found.differences), 'outcome')}; {CAPTION}</summary>", ""]
    lines += [*table(list(HEADINGS), map(row, found.differences)), "", "</details>"]
    return "\n".join(lines) + "\n\n"  # the blank line ends the HTML, whatever is appended
