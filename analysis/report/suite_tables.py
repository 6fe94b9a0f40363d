"""A suite as a table: tidy for programs, and in Markdown for people. Pure."""

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from analysis.estimates.numbers import number, with_interval
from analysis.estimates.outcomes import Outcome
from analysis.estimates.statistics import SIGNIFICANT, Estimate
from analysis.estimates.suites import COMPARED, OWN, Standing, Suite
from analysis.records.load import Run
from analysis.words.markdown import escaped, table
from analysis.words.sentences import Sentence
from analysis.words.suite_findings import RULES
from configuration.bars import Intervals

COLUMNS = [
    "suite", "condition", "against", "outcome", "unit",
    "blocks", "median", "low", "high", "method", "rank", "rank_low", "rank_high",
    "ratio_blocks", "ratio", "ratio_low", "ratio_high", "ratio_method", "p", "q", "effect_size", "note",
]  # fmt: skip


def suite_table(suite: Suite) -> pd.DataFrame:
    """A row a condition and outcome. Those that were skipped are there too, with the reason as their note."""
    rows = [
        {
            "suite": suite.name,
            "condition": name,
            "against": suite.against.get(name, ""),
            "outcome": outcome.name,
            "unit": outcome.unit,
            **standing_row(suite.standing(name, outcome.name)),
            "note": f"skipped: {suite.skipped[name]}" if name in suite.skipped else "",
        }
        for name in suite.conditions
        for outcome in (*COMPARED, *OWN)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def standing_row(one: Standing) -> dict[str, float | str]:
    effect = one.effect
    ratio = effect.ratio if effect else Estimate(0, math.nan)
    return {
        "blocks": one.median.blocks,
        "median": one.median.value,
        "low": one.median.low,
        "high": one.median.high,
        "method": one.median.method,
        "rank": one.rank.value,
        "rank_low": one.rank.low,
        "rank_high": one.rank.high,
        "ratio_blocks": ratio.blocks,
        "ratio": ratio.value,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "ratio_method": ratio.method,
        "p": effect.p if effect else math.nan,
        "q": effect.q if effect else math.nan,
        "effect_size": effect.size if effect else math.nan,
    }


def shown(suite: Suite) -> list[Outcome]:
    """The outcomes that any condition has a value of."""
    return [
        outcome
        for outcome in (*COMPARED, *OWN)
        if any(suite.standing(name, outcome.name).median.blocks for name in suite.conditions)
    ]


def median_cell(one: Standing) -> str:
    """ "4 [4, 5], 1st [1, 2]": the rank after the median."""
    if not one.median.blocks:
        return ""
    return ", ".join(filter(None, (with_interval(one.median), rank(one.rank))))


def rank(place: Estimate) -> str:
    """ "rank 1", or "rank 1 to 3" where the interval of the rank reaches so far."""
    if math.isnan(place.value):
        return ""
    if math.isnan(place.low) or place.low == place.high == place.value:
        return f"rank {place.value:g}"
    return f"rank {place.value:g} ({place.low:g} to {place.high:g})"


def ratio_cell(one: Standing) -> str:
    """With q where it differs for sure."""
    if not one.effect or not one.effect.blocks:
        return ""
    mark = f", q {number(one.effect.q)}" if one.effect.q <= SIGNIFICANT else ""
    return with_interval(one.effect.ratio) + mark


def suite_rows(suite: Suite) -> list[tuple[str, str, list[str], list[str]]]:
    """By condition, those with values first: its name, what it is compared with, medians with ranks, and ratios."""
    outcomes = shown(suite)
    rest = [name for name in suite.conditions if name not in suite.measured]
    return [
        (
            name,
            suite.against.get(name, ""),
            [median_cell(suite.standing(name, outcome.name)) for outcome in outcomes],
            [ratio_cell(suite.standing(name, outcome.name)) for outcome in outcomes if outcome in COMPARED],
        )
        for name in (*suite.measured, *rest)
    ]


def suite_markdown(suite: Suite, sentences: Iterable[Sentence], run: Run, settings: Intervals) -> str:
    rows = suite_rows(suite)
    outcomes = shown(suite)
    compared: Sequence[Outcome] = [outcome for outcome in outcomes if outcome in COMPARED]
    confidence = f"{100 * settings.confidence:g} %"
    lines = [
        f"# Suite {suite.name}: run {escaped(run.name)}",
        "",
        escaped(suite.answers),
        "",
        f"{escaped(run.accelerator.upper())}, guest kernel {escaped(run.kernel)}, {escaped(run.dataset)}.",
        *(["Times are emulated: compare their ratios, not seconds."] if run.times_are_emulated else []),
        "",
        *(f"- {escaped(sentence.text)}" for sentence in sentences),
        "",
        RULES,
        "",
        "## Medians and ranks",
        "",
        f"Medians over blocks with {confidence} intervals (bootstrap, BCa; with a star percentile, where BCa is not "
        "defined), and the rank among the suite's conditions under pressure, 1 is best, with its interval.",
        "",
        *table(
            ["condition", *(outcome.heading for outcome in outcomes)],
            [[name, *medians] for name, _, medians, _ in rows],
        ),
        "",
        "## Ratios",
        "",
        f"To what each is compared with; q, corrected for the suite's comparisons, if it is {SIGNIFICANT:g} or less.",
        "",
        *table(
            ["condition", "against", *(outcome.label for outcome in compared)],
            [[name, against, *ratios] for name, against, _, ratios in rows if against],
        ),
    ]
    return "\n".join(lines) + "\n"
