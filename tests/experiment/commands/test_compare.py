"""Two runs side by side: what differs, what is worse, what cannot be told, and the exit code."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_run import write_run
from scipy import stats

import run
from analysis.comparison.compare import compare, permutation_p
from analysis.comparison.words import in_words, markdown
from analysis.study import Study, study
from configuration.load import load
from testbed.process import PROJECT

BARS = load(PROJECT / "experiments.toml").bars.model_copy(update={"resamples": 999})


def scaled(found: Study, factor: float, column: str, condition: str = "working-set") -> Study:
    """The same run with one outcome of one condition multiplied."""
    cells = found.cells.copy()
    cells.loc[cells["condition"] == condition, column] *= factor
    return Study(**{**vars(found), "cells": cells})


@pytest.fixture(name="a", scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(write_run(tmp_path_factory.mktemp("a"), ("baseline", "working-set"), 8, seed=1), BARS)


@pytest.fixture(name="b", scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(write_run(tmp_path_factory.mktemp("b"), ("baseline", "working-set"), 8, seed=2), BARS)


def test_permutation_p_is_that_of_mann_and_whitney() -> None:
    a, b = np.array([1.0, 4, 6, 9, 11]), np.array([5.0, 8, 12, 14, 15])
    exact = stats.mannwhitneyu(a, b, method="exact").pvalue
    assert permutation_p(a, b, BARS) == pytest.approx(exact, abs=0.02)


def test_runs_of_one_kind_show_no_difference(a: Study, b: Study) -> None:
    found = compare(a, b)
    assert found.regressions == []
    assert {one.verdict for one in found.differences} <= {"same", "not judged", "cannot tell"}
    assert {one.condition for one in found.differences} == {"baseline", "working-set"}


def test_what_is_worse_is_named_and_what_is_better_is_not(a: Study, b: Study) -> None:
    worse = compare(a, scaled(b, 3, "majflt_rdbms"))
    assert worse.regressions == ["major faults, RDBMS, working-set"]
    better = compare(a, scaled(b, 0.2, "majflt_rdbms"))
    assert better.regressions == []
    verdicts = {(one.condition, one.outcome.name): one.verdict for one in better.differences}
    assert verdicts["working-set", "majflt_rdbms"] == "better"


def test_times_are_compared_by_each_runs_own_baseline(a: Study, b: Study) -> None:
    slow_machine = scaled(scaled(b, 5, "response_s"), 5, "response_s", "baseline")
    rows = {(one.condition, one.outcome.name): one for one in compare(a, slow_machine).differences}
    assert rows["working-set", "response_s"].relative
    assert rows["working-set", "response_s"].verdict == "same"
    assert rows["baseline", "response_s"].verdict == "not judged"
    slower = compare(a, scaled(b, 2, "response_s"))
    assert slower.regressions == ["time to response, working-set"]


def test_two_conditions_of_two_runs(a: Study, b: Study) -> None:
    found = compare(a, b, [("baseline", "working-set")])
    rdbms = next(one for one in found.differences if one.outcome.name == "majflt_rdbms")
    assert (rdbms.condition, rdbms.verdict) == ("baseline | working-set", "better")
    assert found.flips == ()


def test_times_of_another_accelerator_are_told_and_not_judged(a: Study, b: Study) -> None:
    native = Study(**{**vars(b), "run": replace(b.run, accelerator="kvm")})
    rows = compare(a, scaled(native, 2, "response_s")).differences
    assert {one.verdict for one in rows if one.outcome.unit == "s"} == {"not judged"}
    assert compare(a, scaled(native, 3, "majflt_rdbms")).regressions == ["major faults, RDBMS, working-set"]


@pytest.mark.parametrize(("more", "regressions"), [(9, []), (10, ["major faults, RDBMS, working-set"])])
def test_a_few_faults_more_are_another_snapshots(a: Study, more: int, regressions: list[str]) -> None:
    few, more_of_them = a.cells.copy(), a.cells.copy()
    mine = few["condition"] == "working-set"
    few.loc[mine, "majflt_rdbms"] = 4
    more_of_them.loc[mine, "majflt_rdbms"] = 4 + more
    one, other = (Study(**{**vars(a), "cells": cells}) for cells in (few, more_of_them))
    assert compare(one, other).regressions == regressions


def test_what_cannot_be_told_any_more_is_lost(a: Study, b: Study) -> None:
    cells = b.cells.copy()
    cells.loc[cells["condition"] == "working-set", "valid"] = False
    found = compare(judging(a, "partly"), judging(Study(**{**vars(b), "cells": cells}), "cannot tell"))
    assert found.lost[0] == "condition working-set: no cell that counts, or none planned"
    assert "claim hypothesis: partly, now cannot tell" in found.lost
    assert "lost in B: claim hypothesis" in in_words(found)
    assert compare(judging(a, "cannot tell"), judging(b, "cannot tell")).lost == []
    assert compare(a, b, [("baseline", "working-set")]).lost == []


def test_few_replicates_are_not_judged(tmp_path: Path, a: Study) -> None:
    few = study(write_run(tmp_path, ("baseline", "working-set"), 3), BARS)
    found = compare(a, few)
    assert {one.verdict for one in found.differences} <= {"cannot tell", "not judged"}
    assert all(math.isnan(one.q) for one in found.differences)


def judging(found: Study, verdict: str) -> Study:
    """The same run with another verdict on every claim."""
    return Study(**{**vars(found), "claims": tuple(replace(claim, verdict=verdict) for claim in found.claims)})


@pytest.mark.parametrize(
    ("before", "now", "regression", "flipped"),
    [
        ("reproduced", "not", True, True),
        ("not", "reproduced", False, True),
        ("reproduced", "partly", False, False),
        ("reproduced", "cannot tell", False, False),
        ("partly", "not", False, False),
        ("not", "not", False, False),
    ],
)
def test_a_claim_that_turns_is_flipped_and_a_regression_if_it_held(
    a: Study, b: Study, before: str, now: str, regression: bool, flipped: bool
) -> None:
    found = compare(judging(a, before), judging(b, now))
    line = f"claim hypothesis: {before}, now {now}"
    assert (line in found.regressions, line in found.flipped) == (regression, flipped)
    assert (f"{before} in A, {now} in B" in in_words(found)) == (before != now), "told in any case"


def test_markdown_tells_every_claim_and_outcome_and_obeys_nobody(a: Study, b: Study) -> None:
    hostile = Study(**{**vars(b), "run": replace(b.run, name="<script>alert(1)</script>|`x`\n# head [a](b)")})
    found = compare(judging(a, "reproduced"), judging(hostile, "not"))
    lines = markdown(a, hostile, found).splitlines()
    assert lines[:3] == [
        "## Two runs side by side: what is worse, turned or lost",
        "",
        "- **claim quiet-before: reproduced, now not**",
    ]
    rows = [line for line in lines if line.startswith("|")]
    assert sum("| reproduced | not | turned |" in line for line in rows) == len(b.claims)
    assert len(rows) == len(b.claims) + len(found.differences) + 4, "each table has a head and a rule"
    (name,) = (line for line in lines if "script" in line)
    assert name.startswith(r"- B: run \<script\>alert(1)\</script\>\|\`x\` # head [a\](b), TCG, guest kernel")
    assert markdown(a, b, compare(a, b, [("baseline", "working-set")])).count("\n| claim |") == 0


def write_both(results: Path, *, replicates: int = 6) -> None:
    for name, seed in (("one", 1), ("two", 2)):
        folder = write_run(results / name, ("baseline", "working-set"), replicates, seed=seed)
        (folder / "configuration.toml").write_text((PROJECT / "experiments.toml").read_text())


@pytest.mark.whole
def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_both(tmp_path)
    assert run.main(["--results", str(tmp_path), "compare", "one", "two", "--fail-on", "regression"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("A: run one, TCG, guest kernel 6.12.48")
    assert "nothing is shown to be worse in B" in text
    words = ["--results", str(tmp_path), "compare", "one:working-set", "two:baseline"]
    assert run.main([*words, "--fail-on", "regression"]) == 1
    assert "worse in B: major faults, RDBMS, working-set | baseline" in capsys.readouterr().out
    assert run.main(words) == 0, "only asked to tell"


def test_a_summary_tells_why_there_is_no_comparison(tmp_path: Path) -> None:
    write_both(tmp_path, replicates=1)
    summary = tmp_path / "summary.md"
    assert run.main(["--results", str(tmp_path), "compare", "one", "three", "--summary", str(summary)]) == 2
    assert summary.read_text().startswith("## Two runs side by side: not compared\n\n- there is no run 'three'")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (["one", "three"], "there is no run 'three'"),
        (["one:siblings", "two:siblings"], "run one has no condition 'siblings'; it has baseline, working-set"),
        (["one:baseline", "two"], "name a condition of both runs, or of none"),
        (
            ["one", "two", "--fail-on", "regressions"],
            "--fail-on 'regressions': expected regression, flipped-claim, lost",
        ),
        (["one", "two", "--fail-on", ""], "--fail-on: expected a name, not nothing"),
    ],
)
def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], pair: list[str], message: str) -> None:
    write_both(tmp_path, replicates=1)
    assert run.main(["--results", str(tmp_path), "compare", *pair]) == 2
    assert message in capsys.readouterr().err
