"""What a suite says in plain words: every sentence is computed from its numbers, none is written beforehand. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.estimates.effects import Effect, least_p, unlike
from analysis.estimates.numbers import number
from analysis.estimates.statistics import SIGNIFICANT, Estimate
from analysis.estimates.suites import FAULTS, READ, TOLERANCE, WORKING_SET, Suite, clearly, disjoint
from analysis.records.conditions import AGAIN
from analysis.words.controls import sentences as of_controls
from analysis.words.sentences import Sentence, listed, over, than, told, with_number
from configuration.bars import Intervals

RULES = (
    "Clearly: the intervals of two medians have nothing in common, or that of a ratio, to what a condition is compared "
    f"with, leaves out 1; and the difference is more than {100 * TOLERANCE:g} %. Intervals are not corrected for their "
    "number; q is."
)
# Of an outcome: what is said of it, then the word for a lower and for a higher value.
TOLD = {
    "first_byte_s": ("The first byte comes clearly", "sooner", "later"),
    "response_s": ("The response ends clearly", "sooner", "later"),
    READ: ("Bytes read, those ahead of the request too, are clearly", "fewer", "more"),
    "idle_mb": ("Memory that service A holds while idle is clearly", "less", "more"),
    "peak_mb": ("Memory that service A holds at its peak is clearly", "less", "more"),
    "memory_mb": ("Memory at the peak, the mechanism's own included, is clearly", "less", "more"),
}


def suite_sentences(suite: Suite, effects: Iterable[Effect], settings: Intervals) -> list[Sentence]:
    """``effects``: all of the run's, each against its own other condition."""
    told = Told(suite, settings)
    if not suite.measured:
        return [told.sentence("No cell of this suite counts yet: nothing can be told.", "all"), *told.left_out()]
    return [*told.faults(), *of_controls(suite, effects), *told.costs(), *told.left_out()]


@dataclass(frozen=True)
class Told:
    suite: Suite
    settings: Intervals

    def sentence(self, text: str, rows: str) -> Sentence:
        return Sentence(text, f"suite-{self.suite.name}.csv", rows)

    def median(self, condition: str, outcome: str = FAULTS) -> Estimate:
        return self.suite.standing(condition, outcome).median

    def each(self, names: Iterable[str], outcome: str = FAULTS) -> str:
        return listed([with_number(name, self.median(name, outcome)) for name in names])

    # --- faults

    def faults(self) -> list[Sentence]:
        found = []
        for other, members in self.contenders().items():
            if len(members) == 2 and other in members:
                found.append(self.of_two(next(name for name in members if name != other), other))
            else:
                found += [self.best(other, members), *self.ours(members)]
        return found

    def contenders(self) -> dict[str, list[str]]:
        """The families, as far as there is something to compare in them: not those under no pressure, and not those
        with too few cells beside others that have enough.
        """
        measured = [name for name in self.suite.measured if name not in self.suite.calm and self.median(name).blocks]
        enough = [name for name in measured if self.median(name).method] or measured
        families = {
            other: [name for name in enough if name in members] for other, members in self.suite.families.items()
        }
        return {other: members for other, members in families.items() if len(members) > 1}

    def of_two(self, name: str, other: str) -> Sentence:
        """One against what it is compared with: on one disk, with one size, of one service."""
        mine, its, effect = self.median(name), self.median(other), self.suite.standing(name, FAULTS).effect
        text = f"{name} has {than(mine, its)} RDBMS major faults than {other}: {told(mine)} against {told(its)}"
        if effect and effect.against == other and not math.isnan(effect.ratio.value):
            text += f", ratio {told(effect.ratio)}"
        return self.sentence(f"{text}, {over([mine, its])}.", f"conditions {name} and {other}, outcome {FAULTS}")

    def best(self, other: str, members: list[str]) -> Sentence:
        least = self.median(members[0]).value
        first = [name for name in members if self.median(name).value == least]
        where = f" in the circumstances of {other}" if len(self.contenders()) > 1 else ""
        text = f"Of the {len(members)} conditions{where}, {self.each(first)} "
        text += f"{'has' if len(first) == 1 else 'have'} the fewest RDBMS major faults"
        if after := members[len(first) :]:
            known = self.median(first[0]).method and self.median(after[0]).method
            clear = all(disjoint(self.median(name), self.median(after[0])) for name in first)
            text += f"; next is {self.each(after[:1])}"
            text += (", clearly more" if clear else ", which cannot be told apart") if known else ""
        return self.sentence(f"{text}; {over(map(self.median, members))}.", f"outcome {FAULTS}")

    def ours(self, members: list[str]) -> list[Sentence]:
        """Ours against each of the others."""
        if WORKING_SET not in members:
            return []
        others = [name for name in members if name != WORKING_SET]
        mine = self.median(WORKING_SET)
        known = [name for name in others if mine.method and self.median(name).method]
        fewer, more, equal = self.sides(WORKING_SET, known, FAULTS)
        if not known:
            text = f"Whether {WORKING_SET} has fewer RDBMS major faults than the others cannot be told"
            return [self.sentence(f"{text}: too few replicates.", f"outcome {FAULTS}")]
        each = f"each of the other {len(others)} conditions: " if len(fewer) == len(others) > 1 else ""
        parts = [
            f"clearly fewer RDBMS major faults than {each}{self.each(fewer)}" if fewer else "",
            f"clearly more than {self.each(more)}" if more else "",
            f"as many, as far as can be told, as {self.each(equal)}" if equal else "",
        ]
        text = f"{WORKING_SET} ({told(mine)}) has {'; '.join(filter(None, parts))}"
        found = [self.sentence(f"{text}.", f"outcome {FAULTS}")]
        if equal:
            found.append(self.beside(equal, READ, f"At equal faults, {WORKING_SET}", "reads"))
        if more:
            found.append(self.beside(more, READ, f"Beside what has fewer faults, {WORKING_SET}", "reads"))
            found.append(
                self.beside(more, "idle_mb", f"Beside the same, service A with {WORKING_SET}", "holds, while idle,")
            )
        return found

    def sides(self, mine: str, others: list[str], outcome: str) -> tuple[list[str], list[str], list[str]]:
        """The others of which it has clearly less, clearly more, and the rest."""
        clear = [name for name in others if disjoint(self.median(mine, outcome), self.median(name, outcome))]
        less = [name for name in clear if self.median(mine, outcome).value < self.median(name, outcome).value]
        return less, [name for name in clear if name not in less], [name for name in others if name not in clear]

    def beside(self, others: list[str], outcome: str, head: str, verb: str) -> Sentence:
        """What ours costs, beside ``others``, in MB."""
        less, more, same = self.sides(WORKING_SET, others, outcome)
        parts = [
            f"{words} {self.each(names, outcome)}"
            for words, names in (("clearly less than", less), ("clearly more than", more), ("about as much as", same))
            if names
        ]
        text = f"{head} ({told(self.median(WORKING_SET, outcome))}) {verb} {'; '.join(parts)} MB"
        return self.sentence(f"{text}.", f"outcome {outcome}")

    # --- what else it changes

    def costs(self) -> list[Sentence]:
        whole = any(self.median(name, "memory_mb").method for name in self.suite.measured)
        less = "peak_mb" if whole else "memory_mb"  # where the mechanism's own memory is known, it is part of the cost
        return [sentence for outcome in TOLD if outcome != less and (sentence := self.changes(outcome))]

    def changes(self, outcome: str) -> Sentence | None:
        """Which conditions have less, or more, than what each is compared with."""
        names = [name for name in self.suite.measured if self.suite.is_like_its_other(name) and name != AGAIN]
        effects = [self.suite.standing(name, outcome).effect for name in names]
        judged = [one for one in effects if one and one.ratio.method]
        if not judged:
            return None
        named = len({one.against for one in judged}) > 1
        head, below, above = TOLD[outcome]
        parts = []
        for word, way in ((below, -1), (above, 1)):
            shown = [ratio(effect, named) for effect in judged if clearly(effect.ratio) == way]
            parts += [f"{word} with {listed(shown)}"] if shown else []
        text = f"{head} {'; '.join(parts) or f'{below} or {above} with none'}"
        return self.sentence(f"{text} (ratios, {over(effect.ratio for effect in judged)}).", f"outcome {outcome}")

    # --- what cannot be told

    def left_out(self) -> list[Sentence]:
        suite, least = self.suite, self.settings.least_blocks
        found = [self.sentence(f"Skipped: {name} ({why}).", f"condition {name}") for name, why in suite.skipped.items()]
        blocks = {
            name: self.median(name, "response_s").blocks for name in suite.conditions if name not in suite.skipped
        }
        few = [f"{name} ({number(n)})" for name, n in blocks.items() if n < least]
        weak = [f"{name} ({number(n)})" for name, n in blocks.items() if least <= n and least_p(n) > SIGNIFICANT]
        if few:
            text = f"Too few replicates that count, fewer than {least}, to tell anything of {listed(few)}"
            found.append(self.sentence(f"{text}.", "column blocks"))
        if weak:
            text = f"Too few replicates for any q to come down to {SIGNIFICANT:g}: {listed(weak)}"
            found.append(self.sentence(f"{text}.", "column blocks"))
        return [*found, *self.power()]

    def power(self) -> list[Sentence]:
        """Whether the correction for the number of comparisons leaves q a chance."""
        known = [one.effect for one in self.suite.standings if one.effect and not math.isnan(one.effect.q)]
        least = min((least_p(effect.blocks) for effect in known), default=1)
        needed = math.ceil(len(known) * least / SIGNIFICANT)
        if not known or unlike(known) or least > SIGNIFICANT or needed == 1:
            return []
        text = f"No q of this suite's {len(known)} comparisons is {SIGNIFICANT:g} or less: with so few blocks p is "
        text += f"{number(least)} at least, and {needed} of them would have to reach that"
        return [self.sentence(f"{text}.", "columns p and q")]


def ratio(effect: Effect, named: bool) -> str:
    """``named``: what it is compared with is said, as that is not the same for all."""
    return with_number(effect.condition, effect.ratio) + (f" of {effect.against}'s" if named else "")
