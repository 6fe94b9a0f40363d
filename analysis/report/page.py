"""One self-contained HTML file of a run: verdict first, then what it rests on. The same study gives the same bytes."""

import base64
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from analysis.estimates.numbers import interval, number, several, with_interval
from analysis.estimates.outcomes import OUTCOMES, TICK
from analysis.estimates.statistics import SIGNIFICANT
from analysis.figures.style import Drawn
from analysis.judgements.claims import REPRODUCED, VERDICTS, Tested
from analysis.judgements.paper import SetupRow, paper
from analysis.records.conditions import AGAIN, BASELINE, settings_of
from analysis.records.hosts import hosts, warnings
from analysis.report.effects import answers, effect_groups, same
from analysis.report.suites import sections, suites
from analysis.study import Study
from analysis.words.suite_findings import RULES
from testbed.errors import printable
from testbed.files.plain import write_text

FOLDER = Path(__file__).parent
SYMBOLS = {
    "reproduced": "✔", "partly": "◐", "not": "✘", "cannot tell": "?", "met": "✔", "missed": "✘",
}  # fmt: skip
SECTIONS = (
    ("claims", "Claims"),
    ("figures", "Figures"),
    ("effects", "Effects"),
    ("same", "A/A"),
    ("replicates", "Replicates"),
    ("bars", "Bars"),
    ("conditions", "Conditions"),
    ("validity", "Validity"),
    ("setup", "Set-up"),
    ("words", "Definitions"),
    ("provenance", "Provenance"),
    ("again", "Do it again"),
)


def write_report(study: Study, figures: Sequence[Drawn], of_suites: Mapping[str, Sequence[Drawn]], path: Path) -> Path:
    """``figures``: as drawn from this study, with their SVG files beside the run's tables; ``of_suites``: by name."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=without_controls,
    )
    style = Markup((FOLDER / "style.css").read_text())  # noqa: S704 - our own file
    return write_text(
        environment.get_template("page.html.j2").render(style=style, **context(study, figures, of_suites)), path
    )


def without_controls(value: object) -> object:
    """What autoescape leaves alone: characters that a page may not hold, or a terminal would obey."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def context(study: Study, figures: Sequence[Drawn], of_suites: Mapping[str, Sequence[Drawn]]) -> dict[str, Any]:
    """All that the template names, as text."""
    bars = study.bars
    hidden = {"bars"} if not study.judged else set()
    return {
        "run": study.run,
        "paper": paper(),
        "sections": [
            SECTIONS[0],
            *sections(study),
            *(section for section in SECTIONS[1:] if section[0] not in hidden),
        ],
        "symbols": SYMBOLS,
        "verdict": verdict_line(study),
        "facts": facts(study),
        "emulated": study.run.times_are_emulated,
        "warnings": warnings(study.frames.cells),
        "hosts": hosts(study.frames.cells),
        "confidence": f"{100 * bars.confidence:g} %",
        "least_blocks": bars.least_blocks,
        "least_exact": math.ceil(1 - math.log2(SIGNIFICANT)),
        "claims": [
            {
                "text": result.claim.text,
                "place": result.claim.place,
                "verdict": result.verdict,
                "tests": [tested_row(tested) for tested in result.tests],
            }
            for result in study.claims
        ],
        "suites": suites(study, of_suites, figure_row),
        "rules": RULES,
        "figures": [figure_row(figure, in_numbers(study)) for figure in figures],
        "baseline": BASELINE,
        "again": AGAIN,
        "comparisons": len([effect for effect in study.effects if not math.isnan(effect.p)]),
        "effects": effect_groups(study),
        "same": same(study),
        "needed": [(name, str(count) if count else "cannot be said") for name, count in study.needed.items()],
        "judged": [
            {
                "disk": row.disk,
                "outcome": row.outcome + (f" [{row.unit}]" if row.unit else ""),
                "baseline": number(row.baseline),
                "prefetch": number(row.prefetch),
                "value": with_interval(row.found),
                "bar": row.bar or "-",
                "verdict": row.verdict,
            }
            for row in study.judged
        ],
        "outcomes": OUTCOMES,
        "medians": medians(study),
        "validity": validity(study),
        "problems": study.run.problems,
        "setup": [
            {
                "title": table.table,
                "rows": [{"what": row.what, "paper": row.paper, "ours": here(row, study)} for row in table.rows],
            }
            for table in paper().setup
        ],
        "tick": TICK,
        "provenance": provenance(study),
        "command": command(study),
    }


def verdict_line(study: Study) -> str:
    verdicts = [result.verdict for result in study.claims]
    parts = [f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS if verdicts.count(verdict)]
    cells = study.cells
    count = int(cells["valid"].astype(bool).sum())
    hypothesis = next((result for result in study.claims if result.claim.id == "hypothesis"), None)
    first = ""
    if hypothesis and hypothesis.verdict != "cannot tell":
        found = hypothesis.tests[0].found
        holds = "holds" if hypothesis.verdict == REPRODUCED else f"is {hypothesis.verdict} reproduced"
        first = f"The paper's hypothesis {holds}: {with_interval(found)} of the RDBMS's major faults remain. "
    claims = f"Of {several(len(verdicts), 'claim')}: {', '.join(parts)}."
    left_out = int((study.frames.cells["state"] == "skipped").sum())
    skipped = f"; {left_out} skipped, as the guest lacks what they need" if left_out else ""
    return f"{first}{claims} {count} of {several(len(cells) - left_out, 'cell')} count{skipped}."


def facts(study: Study) -> list[str]:
    run, blocks = study.run, study.cells["replicate"].nunique()
    return [
        run.accelerator.upper(),
        f"guest kernel {run.kernel}",
        run.dataset,
        several(int(blocks), "block"),
        several(len(study.conditions), "condition"),
    ]


def tested_row(tested: Tested) -> dict[str, Any]:
    expectation = tested.expectation
    limits = [
        f"at least {number(expectation.at_least)}" if expectation.at_least is not None else "",
        f"at most {number(expectation.at_most)}" if expectation.at_most is not None else "",
    ]
    return {
        "words": tested.words,
        "value": number(tested.found.value),
        "interval": interval(tested.found),
        "limits": " and ".join(filter(None, limits)),
        "blocks": tested.found.blocks,
    }


def figure_row(figure: Drawn, words: str) -> dict[str, Any]:
    """``words``: the numbers that it shows, for who cannot see it."""
    data = base64.b64encode(figure.svg.read_bytes()).decode()
    width, height = figure.inches
    return {
        "name": figure.name,
        "data": Markup(f"data:image/svg+xml;base64,{data}"),  # noqa: S704 - no character of it means anything in HTML
        "width": round(96 * width),
        "height": round(96 * height),
        "file": f"figures/{figure.svg.name}",
        "caption": figure.caption,
        "alt": f"{figure.caption} {words}",
    }


def in_numbers(study: Study) -> str:
    """The medians that the figures show, for who cannot see them."""
    told = []
    for condition in study.conditions:
        mine = counted(study, condition)
        majors = ", ".join(
            f"{label} {number(float(mine[f'majflt_{role}'].median()))}"
            for role, label in (("httpd", "httpd"), ("rdbms", "RDBMS"), ("query.cgi", "query.cgi"))
        )
        told.append(f"{condition}: {majors}; {number(float(mine['read_mb'].median()))} MB read")
    return f"Median major faults from request to response: {'. '.join(told)}."


def counted(study: Study, condition: str) -> Any:
    cells = study.cells
    return cells[(cells["condition"] == condition) & cells["valid"].astype(bool)]


def medians(study: Study) -> list[dict[str, Any]]:
    rows = []
    for condition in study.conditions:
        mine = counted(study, condition)
        settings = {key: value for key, value in settings_of(study.values, condition).items() if key != "answers"}
        rows.append(
            {
                "condition": condition,
                "cells": len(mine),
                "values": [number(float(mine[outcome.name].astype(float).median())) for outcome in OUTCOMES],
                "answers": answers(study, condition),
                "settings": ", ".join(f"{key} = {value}" for key, value in settings.items() if value not in ({}, "")),
            }
        )
    return rows


def validity(study: Study) -> dict[str, Any]:
    cells = study.frames.cells
    ran = cells[cells["state"] != "skipped"]
    bad = ran[~ran["valid"].astype(bool)]
    states = ", ".join(f"{len(rows)} {state}" for state, rows in bad.groupby("state", sort=True))
    words = f"{len(ran) - len(bad)} of {several(len(ran), 'cell')} count."
    if len(bad):
        words += f" {several(len(bad), 'cell')} left out of all statistics ({states}):"
    return {
        "words": words,
        "rows": [{"cell": row.cell, "state": row.state, "reason": row.reason} for row in bad.itertuples()],
        "skipped": list(study.skipped.items()),
        "failed_advances": [
            {"cell": cell.name, "action": advance.action, "detail": advance.detail} for cell, advance in study.undone
        ],
    }


def here(row: SetupRow, study: Study) -> str:
    """What stands for a row of the paper's set-up in this run."""
    if row.said:
        return row.said
    packages = study.manifest.get("guest", {}).get("packages", {})
    known = {
        "kernel": f"Linux {study.run.kernel}",
        "dataset": study.run.dataset,
        "blocks": several(int(study.cells["replicate"].nunique()), "block"),
        **{name: f"{name} {version}" for name, version in packages.items()},
    }
    if row.fact:
        return str(known.get(row.fact, "not recorded"))
    value: Any = study.values
    for key in row.ours.split("."):
        value = value.get(key, {}) if isinstance(value, Mapping) else {}
    return f"{value} {row.unit}".strip() if value != {} else "not recorded"


def provenance(study: Study) -> list[tuple[str, str]]:
    """The manifest, flat, without the list of packages."""
    rows: list[tuple[str, str]] = []

    def add(prefix: str, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            name = f"{prefix}{key.replace('_', ' ')}"
            if key == "packages":
                rows.append((name, f"{len(value)}, with their versions in manifest.json"))
            elif isinstance(value, Mapping):
                add(f"{name}, ", value)
            else:
                rows.append((name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))

    add("", study.manifest)
    return rows


def command(study: Study) -> str:
    """The run's own settings, suite, conditions, replicates and seed among them, on whatever host it is said."""
    return shlex.join(["python", "run.py", "--like", study.run.path.name])
