"""Why a prefetch helps or not: what becomes of its pages, who still faults, what knowing more would give. Pure."""

from collections.abc import Iterator, Sequence

from analysis.estimates.effects import Effect
from analysis.estimates.outcomes import BY_NAME
from analysis.estimates.statistics import Estimate
from analysis.estimates.suites import READ, WORKING_SET, Suite, clearly, disjoint
from analysis.judgements.verdicts import CANNOT_TELL, MET, MISSED
from analysis.study import Study
from analysis.words.sentences import Sentence, over, told

PAPERS = "siblings"
HALF = 0.5
# What it would know that ours does not, and the outcome in which that would show.
BOUNDS = {"oracle": ("which pages", "majflt_rdbms"), "clairvoyant": ("when the request comes", "response_s")}
DISK_ROWS = ("major faults, RDBMS", "time to first byte", "excess time to response", "bytes read")


def why(study: Study) -> list[Sentence]:
    found: list[Sentence] = []
    for condition in (PAPERS, WORKING_SET):
        suite = next((one for one in study.suites if condition in one.measured), None)
        effects = {effect.outcome.name: effect for effect in study.effects if effect.condition == condition}
        if suite and effects:
            found += [*pages(suite, condition, effects[READ]), *first_to_fault(effects), *waiting(effects)]
    for suite in study.suites:
        found += bounds(suite)
    return [*found, *disks(study)]


def pages(suite: Suite, condition: str, read: Effect) -> Iterator[Sentence]:
    """What becomes of what it asks for."""
    used, covered = (suite.standing(condition, name).median for name in ("precision", "coverage"))
    if not used.blocks:
        return
    text = f"Of the pages that {condition} asks for a share of {told(used)} is used"
    if covered.blocks:
        text += f"; of those that the activation demands it had asked for {told(covered)}"
    text += f" ({over([used, covered] if covered.blocks else [used])})"
    if used.method and used.high < HALF:
        text += ": most is read for nothing"
    yield Sentence(f"{text}.", f"suite-{suite.name}.csv", f"condition {condition}, outcomes precision and coverage")
    if read.ratio.method:
        words = {-1: "clearly less", 0: "not clearly more or less", 1: "clearly more"}[clearly(read.ratio)]
        text = f"{condition} reads {told(read.ratio)} times the bytes that {read.against} does, {words} "
        text += f"({over([read.ratio])})"
        yield Sentence(f"{text}.", "effects.csv", f"condition {condition}, outcome {READ}")


def first_to_fault(effects: dict[str, Effect]) -> Iterator[Sentence]:
    """Whether httpd, which faults first, gains less than the RDBMS."""
    httpd, rdbms = effects["majflt_httpd"], effects["majflt_rdbms"]
    if not httpd.ratio.method or not rdbms.ratio.method or not disjoint(httpd.ratio, rdbms.ratio):
        return
    less = httpd if httpd.ratio.value > rdbms.ratio.value else rdbms
    who = "httpd, which faults first, gains" if less is httpd else "the RDBMS gains"
    text = f"With {httpd.condition} {who} clearly less: httpd keeps {told(httpd.ratio)} of its major faults, the RDBMS "
    text += f"{told(rdbms.ratio)} ({over([httpd.ratio, rdbms.ratio])})"
    yield Sentence(f"{text}.", "effects.csv", f"condition {httpd.condition}, outcomes majflt_httpd and majflt_rdbms")


def waiting(effects: dict[str, Effect]) -> Iterator[Sentence]:
    """What the user notices."""
    found = [effects["first_byte_s"], effects["response_s"]]
    if not all(effect.ratio.method for effect in found):
        return
    words = {-1: "clearly sooner", 0: "not clearly sooner or later", 1: "clearly later"}
    parts = [f"{effect.outcome.label} {told(effect.ratio)}, {words[clearly(effect.ratio)]}" for effect in found]
    text = f"What the user notices of {found[0].condition}, as parts of {found[0].against}'s time: {'; '.join(parts)} "
    text += f"({over(effect.ratio for effect in found)})"
    yield Sentence(f"{text}.", "effects.csv", f"condition {found[0].condition}, outcomes first_byte_s and response_s")


def bounds(suite: Suite) -> Iterator[Sentence]:
    """What ours would gain if it knew more."""
    for name, (what, outcome) in BOUNDS.items():
        if not {name, WORKING_SET} <= set(suite.measured):
            continue
        mine, its = (suite.standing(one, outcome).median for one in (WORKING_SET, name))
        text = f"Had it been known {what} ({name}): {BY_NAME[outcome].label} {told(its)} instead of {told(mine)} with "
        text += f"{WORKING_SET}, {gained(mine, its)} ({over([mine, its])})"
        yield Sentence(f"{text}.", f"suite-{suite.name}.csv", f"conditions {name} and {WORKING_SET}, outcome {outcome}")


def gained(mine: Estimate, its: Estimate) -> str:
    if not mine.method or not its.method:
        return "too few replicates to say whether that is a difference"
    if not disjoint(mine, its):
        return "no clear difference"
    return "clearly less" if its.value < mine.value else "clearly more"


def disks(study: Study) -> Iterator[Sentence]:
    """Ours on each disk that the bars name."""
    for disk in dict.fromkeys(row.disk for row in study.judged):
        rows = [row for row in study.judged if row.disk == disk]
        told_of = [row for row in rows if row.outcome in DISK_ROWS and row.found.blocks]
        judged = [row for row in rows if row.verdict]
        counts = {verdict: sum(row.verdict == verdict for row in judged) for verdict in (MET, MISSED, CANNOT_TELL)}
        missed = [row.outcome for row in judged if row.verdict == MISSED]
        if not told_of:
            continue
        pair: Sequence[str] = (study.bars.disk[disk].prefetch, study.bars.disk[disk].baseline)
        parts = [f"{row.outcome} {told(row.found)}" for row in told_of]
        text = (
            f"On disk {disk}, as ratios {' / '.join(pair)}: {'; '.join(parts)} ({over(row.found for row in told_of)}). "
        )
        text += (
            f"Of {len(judged)} bars: {', '.join(f'{count} {verdict}' for verdict, count in counts.items() if count)}"
        )
        text += f"; missed: {'; '.join(missed)}" if missed else ""
        yield Sentence(f"{text}.", "prefetcher.csv", f"disk {disk}")
