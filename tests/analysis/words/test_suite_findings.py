"""Plain words from numbers: the same sentence says the opposite where the numbers do."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from made_up import Settings, cells, one_suite, skip

from analysis.words.suite_findings import suite_sentences

FAULTS = {"baseline": 1000.0, "working-set": 10.0, "siblings": 400.0}


def made(faults: Mapping[str, float], **more: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """``more``: other outcomes, by condition with _ for -."""
    other = {name.replace("_", "-"): values for name, values in more.items()}
    return {name: {"majflt_rdbms": value, **other.get(name, {})} for name, value in faults.items()}


def told(
    medians: Mapping[str, Mapping[str, float]],
    conditions: Mapping[str, Mapping[str, Any]] | None = None,
    blocks: int = 8,
    invalid: Sequence[tuple[str, int]] = (),
) -> str:
    suite, effects = one_suite(cells(medians, blocks, invalid=invalid), conditions)
    return "\n".join(sentence.text for sentence in suite_sentences(suite, effects, Settings()))


def test_the_best_and_whether_the_next_is_clearly_worse() -> None:
    text = told(made(FAULTS))
    assert "Of the 3 conditions, working-set 10 [" in text
    assert "has the fewest RDBMS major faults; next is siblings 4" in text
    assert ", clearly more; 8 blocks." in text
    close = told(made({**FAULTS, "siblings": 10.02}))
    assert "next is siblings 10 [" in close or "next is working-set 10 [" in close
    assert "which cannot be told apart; 8 blocks." in close


def test_ours_against_each_other_one() -> None:
    assert "has clearly fewer RDBMS major faults than each of the other 2 conditions: siblings " in told(made(FAULTS))
    text = told(made({**FAULTS, "oracle": 10.02, "memory-low": 1.0}))
    assert "has clearly fewer RDBMS major faults than siblings 4" in text
    assert "; clearly more than memory-low 1 [" in text
    assert "; as many, as far as can be told, as oracle 10 [" in text
    assert "each of the other" not in text


@pytest.mark.parametrize(
    ("reads", "words"),
    [(300.0, "reads clearly less than oracle"), (30.0, "reads clearly more than"), (100.02, "reads about as much as")],
)
def test_at_equal_faults_bytes_decide(reads: float, words: str) -> None:
    text = told(made({**FAULTS, "oracle": 10.02}, oracle={"read_whole_mb": reads}))
    assert "At equal faults, working-set (" in text
    assert words in text


def test_what_has_fewer_faults_is_told_with_its_price() -> None:
    text = told(made({**FAULTS, "memory-min": 1.0}, memory_min={"read_whole_mb": 4.0, "idle_mb": 400.0}))
    assert "Beside what has fewer faults, working-set (100 [" in text
    assert ") reads clearly more than memory-min 4.01 [" in text
    assert "Beside the same, service A with working-set (100 [" in text
    assert ") holds, while idle, clearly less than memory-min 401 [" in text
    assert "Beside" not in told(made(FAULTS))


def test_what_costs_more_and_what_less() -> None:
    text = told(made(FAULTS, siblings={"read_whole_mb": 400.0, "idle_mb": 50.0}, working_set={"first_byte_s": 60.0}))
    assert "Bytes read, those ahead of the request too, are clearly more with siblings 4" in text
    assert "Memory that service A holds while idle is clearly less with siblings 0.5" in text
    assert "The first byte comes clearly sooner with working-set 0.6" in text
    assert "The response ends clearly sooner or later with none (ratios, 8 blocks)." in text
    assert "Memory at the peak, the mechanism's own included, is clearly less or more with none" in text


def test_on_each_disk_ours_is_compared_with_the_baseline_of_that_disk() -> None:
    conditions: dict[str, dict[str, Any]] = {
        "slow": {"disk_iops": 200},
        "slow-ours": {"disk_iops": 200, "against": "slow"},
    }
    text = told(made({**FAULTS, "slow": 900.0, "slow-ours": 9.0}), conditions)
    assert "slow-ours has clearly fewer RDBMS major faults than slow: 9" in text
    assert "Of the 3 conditions in the circumstances of baseline, working-set" in text
    worse = told(made({**FAULTS, "slow": 9.0, "slow-ours": 900.0}), conditions)
    assert "slow-ours has clearly more RDBMS major faults than slow: 90" in worse
    same = told(made({**FAULTS, "slow": 9.0, "slow-ours": 9.002}), conditions)
    assert "slow-ours has not clearly more or fewer RDBMS major faults than slow: 9" in same


def test_few_replicates_tell_nothing_and_say_so() -> None:
    text = told(made(FAULTS), blocks=3)
    assert (
        "Whether working-set has fewer RDBMS major faults than the others cannot be told: too few replicates." in text
    )
    assert "Too few replicates that count, fewer than 5, to tell anything of baseline (3), working-set (3)" in text
    assert "clearly" not in text
    part = told(made(FAULTS), invalid=[("siblings", block) for block in (1, 2, 3, 4)])
    assert "Of the 2 conditions" not in part, "a family of two has a sentence of its own"
    assert "working-set has clearly fewer RDBMS major faults than baseline" in part
    assert "to tell anything of siblings (4)." in part


def test_few_blocks_say_what_q_cannot_show() -> None:
    five = told(made(FAULTS), blocks=5)
    assert "Too few replicates for any q to come down to 0.05: baseline (5), working-set (5) and siblings (5)." in five
    six = told(made(FAULTS), blocks=6)
    assert "No q of this suite's 18 comparisons is 0.05 or less: with so few blocks p is 0.0312 at least, and 12" in six
    assert "No q" not in told(made(dict.fromkeys(FAULTS, 10.0)), blocks=20), "nothing is there to be shown"
    assert "No q" not in told(made(FAULTS, siblings={"read_mb": 400.0, "read_whole_mb": 400.0}))


def test_what_was_skipped_is_named_with_its_reason() -> None:
    suite, effects = one_suite(skip(cells(made({**FAULTS, "zram": 5.0})), "zram", "no module zram"))
    sentences = [sentence.text for sentence in suite_sentences(suite, effects, Settings())]
    assert "Skipped: zram (no module zram)." in sentences
    assert not [text for text in sentences if "zram" in text and not text.startswith("Skipped")]


def test_a_run_without_a_cell_that_counts_tells_nothing() -> None:
    text = told(made(FAULTS), blocks=1, invalid=[(name, 1) for name in FAULTS])
    assert text.startswith("No cell of this suite counts yet: nothing can be told.")
    assert "fewest" not in text


def test_every_sentence_says_where_its_numbers_stand() -> None:
    names = {**FAULTS, "baseline-again": 1000.0, "placebo": 1000.0, "same-process": 950.0, "other-container": 990.0}
    suite, effects = one_suite(cells(made(names)))
    sentences = suite_sentences(suite, effects, Settings())
    assert {sentence.table for sentence in sentences} == {"suite-controls.csv", "effects.csv"}
    assert all(sentence.rows and sentence.text.endswith(".") for sentence in sentences)


# --- controls

CONTROLS = {**FAULTS, "same-process": 950.0, "same-program": 800.0, "other-container": 990.0, "container": 400.0}
SHOWN = "So, with all 4 comparisons clearly worse, it is membership in the container that tells whose pages will be"


def test_the_container_is_the_signal_if_all_controls_are_clearly_worse() -> None:
    text = told(made(CONTROLS))
    assert (
        "same-process, which prefetches the pages of the process that faults first alone, has clearly more RDBMS"
        in text
    )
    assert "other-container, which prefetches pages of a wrong container, has clearly more RDBMS major" in text
    assert "same-process, which differs from container by the siblings left out, has clearly more RDBMS major" in text
    assert SHOWN in text


@pytest.mark.parametrize(
    ("name", "faults"),
    [("same-process", 10.02), ("same-program", 400.5), ("other-container", 1.0), ("container", 950.5)],
)
def test_it_is_not_shown_if_a_control_does_as_well(name: str, faults: float) -> None:
    text = told(made({**CONTROLS, name: faults}))
    assert SHOWN not in text
    assert "So this run does not show that membership in the container is what tells whose pages" in text
    assert any(f"of 4 comparisons {few} are clearly worse" in text for few in (2, 3))


def test_nothing_is_concluded_from_some_of_the_controls_or_too_few_replicates() -> None:
    text = told(made({name: CONTROLS[name] for name in ("baseline", "working-set", "same-process")}))
    assert "has clearly more RDBMS major faults than working-set" in text
    assert "membership" not in text
    assert "membership" not in told(made(CONTROLS), blocks=4)


def test_it_is_told_what_holding_the_memory_adds() -> None:
    text = told(made({**CONTROLS, "siblings-protected": 60.0, "working-set-unheld": 10.02}))
    assert "siblings-protected, which lets the kernel reclaim nothing of what was read ahead, has clearly fewer" in text
    assert "an activation lasts, has not clearly more or fewer RDBMS major faults than working-set: 10" in text
    assert SHOWN in text, "they say nothing of membership"


ALIKE = {**FAULTS, "placebo": 1000.0, "baseline-again": 1000.0}


def test_placebo_and_the_baseline_again_make_no_difference_or_one_that_is_named() -> None:
    text = told(made(ALIKE))
    assert "placebo (no daemon at all) makes no difference that shows: no q of 14 comparisons with baseline" in text
    assert "baseline-again (the same under another name) makes no difference that shows" in text
    assert "could not show; 8 blocks." in text
    assert "could not show" not in told(made(ALIKE), blocks=20)
    assert "by their intervals alone" not in told(made(ALIKE))
    slower = told(made(ALIKE, placebo={"response_s": 300.0}))
    assert "placebo (no daemon at all) makes no difference that shows" in slower
    assert "by their intervals alone, not corrected, clearly unlike: time to response (ratio " in slower
    every = dict.fromkeys(("majflt_rdbms", "majflt_httpd", "majflt_service", "first_byte_s", "pswpin"), 300.0)
    bad = told(made(ALIKE, placebo=every))
    assert "placebo (no daemon at all) makes a difference: it is unlike baseline in major faults, RDBMS" in bad
    little = told(made(ALIKE, placebo={**dict.fromkeys(every, 104.0), "majflt_rdbms": 1040.0}))
    assert "placebo (no daemon at all) makes no large difference: it is unlike baseline by less than 5 %, in" in little
    assert "cannot be told: too few replicates" in told(made(ALIKE), blocks=5)
