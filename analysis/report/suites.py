"""The report's part on suites: what stands in each section, as text."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from analysis.estimates.numbers import number
from analysis.estimates.suites import COMPARED, NAMELESS, Suite
from analysis.figures.style import Drawn
from analysis.report.suite_tables import shown, suite_rows
from analysis.study import Study
from analysis.words.suite_findings import suite_sentences


def title(suite: Suite) -> str:
    return "Conditions side by side" if suite.name == NAMELESS else f"Suite {suite.name}"


def sections(study: Study) -> list[tuple[str, str]]:
    """Id and title of each."""
    return [(f"suite-{suite.name}", title(suite)) for suite in study.suites]


def suites(
    study: Study, figures: Mapping[str, Sequence[Drawn]], figure_row: Callable[[Drawn, str], dict[str, Any]]
) -> list[dict[str, Any]]:
    """``figures``: by the suite's name. ``figure_row``: what the template needs of a figure, with its words."""
    return [
        {
            "id": f"suite-{suite.name}",
            "title": title(suite),
            "answers": suite.answers,
            "sentences": [sentence.text for sentence in suite_sentences(suite, study.comparisons, study.bars)],
            "figures": [figure_row(figure, in_numbers(suite)) for figure in figures.get(suite.name, ())],
            "outcomes": [outcome.heading for outcome in shown(suite)],
            "ratios": [outcome.label for outcome in shown(suite) if outcome in COMPARED],
            "rows": [
                {
                    "condition": name,
                    "against": against,
                    "skipped": suite.skipped.get(name, ""),
                    "medians": medians,
                    "ratios": ratios,
                }
                for name, against, medians, ratios in suite_rows(suite)
            ],
        }
        for suite in study.suites
    ]


def in_numbers(suite: Suite) -> str:
    """The medians that the figures show first, for who cannot see them."""
    told = [
        f"{name}: {number(suite.standing(name, 'majflt_rdbms').median.value)} RDBMS major faults, "
        f"{number(suite.standing(name, 'read_whole_mb').median.value)} MB read"
        for name in suite.measured
    ]
    return f"Medians: {'; '.join(told)}."
