"""Suites against medians known beforehand: who belongs to which, ranks, families, costs; and their tables."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from made_up import Settings, cells, one_suite, skip
from scipy import stats

from analysis.estimates.outcomes import BY_NAME
from analysis.estimates.statistics import Estimate
from analysis.estimates.suites import COMPARED, NAMELESS, clearly, disjoint, named, ranks
from analysis.records.load import Run
from analysis.report.suite_tables import suite_markdown, suite_table

RDBMS = BY_NAME["majflt_rdbms"]
FAULTS = {"baseline": 1000.0, "working-set": 10.0, "siblings": 400.0, "placebo": 1000.0}
MADE = {name: {"majflt_rdbms": faults, "majflt_service": faults + 50} for name, faults in FAULTS.items()}

# --- which suites a run was made for

VALUES: dict[str, Any] = {
    "condition": {"baseline": {}, "siblings": {}, "working-set": {}},
    "suite": {
        "one": {"answers": "Is it one?", "conditions": ["working-set", "baseline"]},
        "two": {"answers": "Is it two?", "conditions": ["baseline", "siblings"]},
    },
}
PLANNED = ["working-set", "siblings", "baseline"]
ALL = (NAMELESS, "", ("baseline", "siblings", "working-set"))


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ({"names": ["one"]}, [("one", "Is it one?", ("baseline", "working-set"))]),
        (
            {"names": ["one", "two"]},
            [("one", "Is it one?", ("baseline", "working-set")), ("two", "Is it two?", ("baseline", "siblings"))],
        ),
        ({"names": []}, [ALL]),
        ({"name": "two", "conditions": ["baseline", "siblings"]}, [("two", "Is it two?", ("baseline", "siblings"))]),
        ({"name": "two", "conditions": ["baseline", "working-set"]}, [ALL]),
        ({"names": ["gone"]}, [ALL]),
        ({"names": ["../one"]}, [ALL]),
        ({"names": "one"}, [ALL]),
        ({"names": [1, None, ["one"]]}, [ALL]),
        (None, [ALL]),
    ],
    ids=["one", "two", "own conditions", "older", "older, own conditions", "unknown", "a path", "text", "nonsense",
         "none"],
)  # fmt: skip
def test_the_suites_that_a_manifest_names(used: object, expected: object) -> None:
    assert named({"suite": used}, VALUES, PLANNED) == expected


def test_a_suite_has_the_conditions_that_were_planned() -> None:
    assert named({"suite": {"names": ["one"]}}, VALUES, ["baseline"]) == [("one", "Is it one?", ("baseline",))]


# --- ranks


def test_ranks_are_those_of_the_medians_and_their_intervals_hold_them() -> None:
    frame = cells({"a": {"majflt_rdbms": 10}, "b": {"majflt_rdbms": 10.05}, "c": {"majflt_rdbms": 50}})
    found = ranks(frame, ["a", "b", "c"], RDBMS, Settings())
    assert [found[name].value for name in "abc"] == [1, 2, 3]
    assert (found["c"].low, found["c"].high) == (3, 3), "last in every resample"
    assert (found["a"].low, found["a"].high) == (1, 2), "now and then b is before it"


def test_equal_medians_share_the_better_rank_and_more_is_better_of_some_outcomes() -> None:
    frame = cells({"a": {"precision": 0.5}, "b": {"precision": 0.9}})
    frame["majflt_rdbms"] = frame["replicate"].astype(float)
    assert [one.value for one in ranks(frame, ["a", "b"], RDBMS, Settings()).values()] == [1, 1]
    assert [one.value for one in ranks(frame, ["a", "b"], BY_NAME["precision"], Settings()).values()] == [2, 1]


def test_intervals_of_ranks_are_those_of_whole_blocks_drawn_together() -> None:
    frame = cells({name: {"majflt_rdbms": 100 + place} for place, name in enumerate("abcd")}, blocks=20)
    frame.loc[(frame["condition"] == "b") & (frame["replicate"] <= 15), "majflt_rdbms"] = math.nan
    settings = Settings(resamples=999)
    found = ranks(frame, [*"abcd"], RDBMS, settings)
    table = frame.pivot(index="replicate", columns="condition", values="majflt_rdbms").to_numpy()
    drawn = table[np.random.default_rng(settings.seed).integers(20, size=(settings.resamples, 20))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in some resample b has no value
        medians = np.nanmedian(drawn, axis=1)
    places = stats.rankdata(medians, method="min", axis=-1, nan_policy="omit")
    low, high = np.nanquantile(places, [0.025, 0.975], axis=0, method="closest_observation")
    assert np.isnan(medians).any()
    assert [one.low for one in found.values()] == low.tolist()
    assert [one.high for one in found.values()] == high.tolist()
    assert {tuple(interval) for interval in zip(low, high, strict=True)} != {(1, 4)}


def test_ranks_without_enough_blocks_have_no_interval_and_without_values_there_are_none() -> None:
    few = ranks(cells(MADE, blocks=4), ["baseline", "siblings"], RDBMS, Settings())
    assert [(one.value, one.method) for one in few.values()] == [(2, ""), (1, "")]
    gone = cells(MADE, invalid=[("siblings", block) for block in range(1, 6)])
    left = ranks(gone, ["baseline", "siblings", "working-set"], RDBMS, Settings())
    assert {name: (one.value, one.blocks, bool(one.method)) for name, one in left.items()} == {
        "baseline": (3, 8, True), "siblings": (2, 3, False), "working-set": (1, 8, True),
    }  # fmt: skip
    assert ranks(skip(cells(MADE), "siblings", "x"), ["siblings"], RDBMS, Settings()) == {}


# --- a whole suite


def test_each_standing_has_median_rank_and_effect() -> None:
    suite, _ = one_suite(cells(MADE))
    ours = suite.standing("working-set", "majflt_rdbms")
    assert ours.median.value == pytest.approx(10, rel=0.02)
    assert ours.rank.value == 1
    assert ours.effect is not None
    assert ours.effect.ratio.value == pytest.approx(0.01, rel=0.05)
    assert suite.standing("baseline", "majflt_rdbms").effect is None, "it is compared with nothing"
    assert suite.standing("siblings", "precision").effect is None, "the baseline has none"
    assert suite.measured == ["working-set", "siblings", *sorted(["baseline", "placebo"], key=suite.measured.index)]


def test_q_is_corrected_for_the_suites_own_comparisons() -> None:
    whole, effects = one_suite(cells(MADE))
    part, _ = one_suite(cells(MADE), names=["baseline", "working-set"])
    one, other = (suite.standing("working-set", "majflt_rdbms").effect for suite in (whole, part))
    assert one and other
    assert one.p == other.p
    assert one.q == pytest.approx(one.p * 3 * len(COMPARED) / 4), "both faults of two conditions, of three compared"
    assert other.q == pytest.approx(other.p * len(COMPARED) / 2)
    assert len(part.standings) < len(whole.standings)
    assert effects


def test_conditions_in_the_same_circumstances_are_a_family_and_calm_ones_have_no_rank() -> None:
    conditions: dict[str, dict[str, Any]] = {
        "baseline-200": {"disk_iops": 200},
        "working-set-200": {"disk_iops": 200, "against": "baseline-200"},
        "unpressured": {"pressure": False},
        "idle-0": {"before_request_s": 0.0},
    }
    names = {name: {"majflt_rdbms": 9.0} for name in ("baseline", "working-set", *conditions)}
    suite, _ = one_suite(cells(names), conditions)
    assert suite.families == {
        "baseline": ("baseline", "working-set"),
        "baseline-200": ("baseline-200", "working-set-200"),
        "unpressured": ("unpressured",),
        "idle-0": ("idle-0",),
    }
    like = {name: suite.is_like_its_other(name) for name in names}
    assert [name for name, is_like in like.items() if is_like] == ["working-set", "working-set-200"]
    assert math.isnan(suite.standing("unpressured", "majflt_rdbms").rank.value)
    assert suite.standing("unpressured", "majflt_rdbms").median.blocks == 8


def test_what_is_saved_and_what_it_costs_are_differences_of_medians() -> None:
    made = {**MADE, "siblings": {**MADE["siblings"], "read_whole_mb": 250.0}}
    suite, _ = one_suite(cells(made))
    trade = next(one for one in suite.trades if one.condition == "siblings")
    assert trade.against == "baseline"
    assert trade.saved.value == pytest.approx(600, rel=0.05)
    assert trade.extra.value == pytest.approx(150, rel=0.05)
    assert trade.saved.low < trade.saved.value < trade.saved.high


def test_what_is_clear() -> None:
    assert clearly(Estimate(8, 0.9, 0.85, 0.99, "BCa")) == -1
    assert clearly(Estimate(8, 1.1, 1.01, 1.2, "BCa")) == 1
    assert clearly(Estimate(8, 0.96, 0.95, 0.97, "BCa")) == 0, "sure, but small"
    assert clearly(Estimate(8, 0.5, 0.2, 1.1, "BCa")) == 0
    assert clearly(Estimate(3, 0.1)) == 0
    assert disjoint(Estimate(8, 1, 0, 2, "BCa"), Estimate(8, 3, 2.5, 4, "BCa"))
    assert not disjoint(Estimate(8, 1, 0, 2, "BCa"), Estimate(8, 3, 2, 4, "BCa"))
    assert not disjoint(Estimate(8, 1, 0, 2, "BCa"), Estimate(3, 300))
    assert not disjoint(Estimate(8, 62, 62, 62, "BCa"), Estimate(8, 63, 63, 63, "BCa")), "one fault is no difference"
    assert disjoint(Estimate(8, 0, 0, 0, "BCa"), Estimate(8, 1, 1, 1, "BCa"))


# --- its tables


def test_the_table_has_a_row_a_condition_and_outcome_and_names_what_was_skipped() -> None:
    frame = skip(cells({**MADE, "zram": {}}), "zram", "no module zram")
    suite, _ = one_suite(frame)
    table = suite_table(suite)
    assert not table.duplicated(["condition", "outcome"]).any()
    assert len(table) == 5 * table["outcome"].nunique()
    rows = {(row["condition"], row["outcome"]): row for row in table.to_dict("records")}
    ours = rows["working-set", "majflt_rdbms"]
    assert (ours["against"], ours["blocks"], ours["rank"], ours["note"]) == ("baseline", 8, 1, "")
    assert ours["low"] <= ours["median"] <= ours["high"]
    assert ours["ratio_low"] <= ours["ratio"] <= ours["ratio_high"] < 0.02
    zram = rows["zram", "majflt_rdbms"]
    assert (zram["blocks"], zram["note"]) == (0, "skipped: no module zram")
    assert np.isnan([zram["median"], zram["rank"], zram["ratio"], zram["q"]]).all()


def test_the_page_is_markdown_and_stays_so_whatever_a_guest_says() -> None:
    frame = skip(cells({**MADE, "zram": {}}), "zram", "no | module\n# zram <b> [x](y)")
    suite, _ = one_suite(frame)
    run = Run(path=None, name="r|u*n", accelerator="tcg", kernel="6 <i>", dataset="d", cells=())  # type: ignore[arg-type]
    page = suite_markdown(suite, [], run, Settings())
    assert page.startswith("# Suite controls: run r\\|u\\*n\n")
    assert "6 \\<i\\>" in page
    assert "<b>" not in page
    head = next(line for line in page.splitlines() if line.startswith("| condition | major"))
    rows = [line for line in page.splitlines() if line.startswith(("| working-set |", "| zram |"))]
    assert [line.replace("\\|", "").count("|") for line in rows[:2]] == [head.count("|")] * 2
    assert "| zram | - |" in page
    assert ", rank 1 |" in page
