"""The effects of a report: each with its interval, q and a verdict in words; the A/A comparison among them. Pure."""

import math
from collections.abc import Sequence
from typing import Any

from analysis.estimates.effects import Effect, least_p, unlike
from analysis.estimates.numbers import number, probability, with_interval
from analysis.estimates.statistics import SIGNIFICANT
from analysis.records.conditions import AGAIN, settings_of
from analysis.study import Study


def effect_groups(study: Study) -> list[dict[str, Any]]:
    named = dict.fromkeys(effect.condition for effect in study.effects)
    return [
        {
            "condition": condition,
            "against": study.against[condition],
            "answers": answers(study, condition),
            "rows": [
                effect_row(effect, study.bars.least_blocks)
                for effect in study.effects
                if effect.condition == condition and effect.blocks
            ],
        }
        for condition in named
    ]


def effect_row(effect: Effect, least_blocks: int) -> dict[str, Any]:
    return {
        "label": effect.outcome.heading,
        "against": number(effect.median_against),
        "median": number(effect.median),
        "ratio": with_interval(effect.ratio),
        "q": probability(effect.q),
        "size": number(effect.size),
        "blocks": effect.blocks,
        "words": in_words(effect, least_blocks),
    }


def in_words(effect: Effect, least_blocks: int) -> str:
    """A verdict that says neither more nor less than the numbers do."""
    if effect.blocks < least_blocks:
        return f"too few replicates: fewer than {least_blocks}"
    if least_p(effect.blocks) > SIGNIFICANT:
        return f"{effect.blocks} blocks cannot show anything at 5 %"
    if math.isnan(effect.q) or effect.q > SIGNIFICANT:
        return "no difference shown"
    way = "lower" if effect.size < 0 else "higher"
    if not effect.outcome.better:
        return way
    return f"{way}: better" if way == effect.outcome.better else f"{way}: worse"


def same(study: Study) -> dict[str, Any]:
    rows = [effect_row(effect, study.bars.least_blocks) for effect in study.same]
    return {"rows": rows, "words": same_in_words(study.same, study.bars.least_blocks)}


def same_in_words(effects: Sequence[Effect], least_blocks: int) -> str:
    known = [effect for effect in effects if not math.isnan(effect.q)]
    if not effects:
        return f"The run has no condition {AGAIN}, so there is no A/A comparison in it."
    if not known or max(effect.blocks for effect in known) < least_blocks:
        return f"Too few replicates (fewer than {least_blocks}) for an A/A comparison."
    shown = [effect.outcome.label for effect in unlike(known)]
    if shown:
        return f"It must show nothing, but shows a difference in {', '.join(shown)}: distrust effects of that size."
    return f"It must show nothing, and shows nothing: no q of {len(known)} comparisons is {SIGNIFICANT:g} or less."


def answers(study: Study, condition: str) -> str:
    return str(settings_of(study.values, condition).get("answers", ""))
