"""The page of findings: what holds of the paper's proposal, what does not, and why, as far as a run can tell. Pure.

Every sentence is computed from the run, with its numbers and where these stand; none is written beforehand.
"""

import shlex
from collections.abc import Iterable

from analysis.estimates.numbers import interval, number, several
from analysis.estimates.suites import NAMELESS, mapping
from analysis.judgements.claims import CANNOT_TELL, NOT, PARTLY, REPRODUCED, ClaimResult
from analysis.judgements.paper import paper
from analysis.records.hosts import warnings
from analysis.study import Study
from analysis.words.markdown import code, escaped
from analysis.words.mechanisms import why
from analysis.words.sentences import Sentence, listed
from analysis.words.suite_findings import RULES
from analysis.words.suite_findings import suite_sentences as of_suite

OUR_OWN = "ours"  # the place of a claim that is not about the paper's proposal
HEADINGS = {
    REPRODUCED: "What holds",
    PARTLY: "What holds in part",
    NOT: "What does not hold",
    CANNOT_TELL: "What cannot be told",
}


def findings(study: Study, run_name: str) -> str:
    """Markdown. ``run_name``: as the run is named on the command line."""
    report = f"python run.py report {shlex.quote(run_name)}"
    claims = [result for result in study.claims if result.claim.place != OUR_OWN]
    ours = [result for result in study.claims if result.claim.place == OUR_OWN]
    lines = [
        "# Findings: what holds of the paper's proposal, what does not, and why",
        "",
        f"Computed from the run {code(run_name)} by {code(f'python run.py findings {shlex.quote(run_name)}')}; no "
        f"sentence is written by hand. Each ends with where its numbers stand: {code(report)} writes these tables into "
        f"{code(f'results/{run_name}/tables/')} again, from the raw records and without a guest. In brackets: "
        f"{100 * study.bars.confidence:g} % intervals (bootstrap over blocks).",
        "",
        RULES,
        "",
        f"The paper: {escaped(paper().authors)}, {escaped(paper().title)}, {escaped(paper().source)}.",
        "",
        "## What it was measured on",
        "",
        *(f"- {words}" for words in measured_on(study)),
        "",
        "## The paper's proposal",
        "",
        *by_verdict(claims, report),
        *section("### Why", why(study), report),
        "## What we put in its place",
        "",
        *by_verdict(ours, report),
        "## Side by side",
        "",
    ]
    for suite in study.suites:
        name = "The conditions that were run" if suite.name == NAMELESS else f"Suite {suite.name}: {suite.answers}"
        lines += section(f"### {escaped(name)}", of_suite(suite, study.comparisons, study.bars), report)
    return "\n".join(lines).rstrip() + "\n"


def measured_on(study: Study) -> list[str]:
    run, frame = study.run, study.frames.cells
    ran = frame[frame["state"] != "skipped"]
    host, guest = (mapping(study.manifest.get(key)) for key in ("host", "guest"))
    machine = [str(host[key]) for key in ("cpu", "system") if key in host]
    facts = [
        f"{escaped(run.accelerator.upper())}: " + (
            "the guest's processors are emulated; fault counts stand as they are, of times only ratios"
            if run.times_are_emulated
            else "the guest's processors are the host's own"
        ),
        f"guest kernel {escaped(run.kernel)}, {len(mapping(guest.get('packages')))} packages",
        f"dataset: {escaped(run.dataset)}",
        f"{several(int(ran['replicate'].nunique()), 'replicate')} of "
        f"{several(int(ran['condition'].nunique()), 'condition')}; "
        f"of {several(len(ran), 'cell')} {int(ran['valid'].astype(bool).sum())} count",
        f"made by {code(command(study))}" + commit(study),
        *map(escaped, warnings(frame)),
        *undone(study),
    ]  # fmt: skip
    return facts[:1] + ([f"host: {escaped(', '.join(machine))}"] if machine else []) + facts[1:]


def undone(study: Study) -> list[str]:
    """What was begun before the request and did not succeed, by condition; such a cell counts all the same."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell, advance in study.undone:
        found.setdefault((cell.condition, str(advance.action)), []).append(str(advance.detail))
    return [
        f"{escaped(condition)}: {escaped(action)} did not succeed in {several(len(details), 'cell')}: "
        + escaped("; ".join(sorted(set(details))))
        for (condition, action), details in found.items()
    ]


def command(study: Study) -> str:
    """What was typed: suites, or conditions of one's own, and what differs from theirs."""
    used = mapping(study.manifest.get("suite"))
    replicates = str(used.get("replicates", study.cells["replicate"].nunique()))
    names = [suite.name for suite in study.suites if suite.name != NAMELESS]
    if not names:
        chosen = ["--conditions", ",".join(study.conditions), "--replicates", replicates]
    else:
        own = [mapping(mapping(study.values.get("suite")).get(name)).get("replicates", 0) for name in names]
        changed = ["--replicates", replicates] if replicates != str(max(own)) else []
        chosen = ["--suite", ",".join(names), *changed]
    return shlex.join(["python", "run.py", *chosen])


def commit(study: Study) -> str:
    git = mapping(study.manifest.get("git"))
    changed = ", with uncommitted changes" if git.get("changed") else ""
    return f" at commit {code(str(git['commit'])[:12])}{changed}" if "commit" in git else ""


def by_verdict(results: Iterable[ClaimResult], report: str) -> list[str]:
    """The claims, sorted; of those whose conditions the run lacks only their names."""
    lines: list[str] = []
    there = [result for result in results if any(finding.found.blocks for finding in result.tests)
             or result.verdict != CANNOT_TELL]  # fmt: skip
    for verdict, heading in HEADINGS.items():
        lines += section(f"### {heading}", [claim(one) for one in there if one.verdict == verdict], report)
    lacking = [result for result in results if result not in there]
    if lacking:
        names = {name for one in lacking for test in one.claim.tests for name in (test.condition, test.against) if name}
        lines += [
            f"Nothing can be told, for want of valid cells of {escaped(listed(sorted(names)))}, of: "
            + escaped(" ".join(one.claim.text for one in lacking)),
            "",
        ]
    return lines


def claim(result: ClaimResult) -> Sentence:
    """``claims.csv`` has a row for each of its tests."""
    tests = []
    for finding in result.tests:
        limits = [
            f"{word} {number(limit)}"
            for word, limit in (("at least", finding.expectation.at_least), ("at most", finding.expectation.at_most))
            if limit is not None
        ]
        blocks = f"; {several(finding.found.blocks, 'block')}" if finding.found.blocks else ""
        value = f"{number(finding.found.value)} {interval(finding.found).rstrip('*')}".strip()
        tests.append(f"{finding.words}: {value} (limit set beforehand: {' and '.join(limits)}{blocks})")
    return Sentence(f"{result.claim.text} Measured: {'; '.join(tests)}.", "claims.csv", f"claim {result.claim.id}")


def section(heading: str, sentences: Iterable[Sentence], report: str) -> list[str]:
    """Nothing where there is no sentence."""
    lines = [
        f"- {escaped(sentence.text)} ({code(report)}; {code(f'tables/{sentence.table}')}: {code(sentence.rows)})"
        for sentence in sentences
    ]
    return [heading, "", *lines, ""] if lines else []
