"""Verdicts on the paper's claims: the rules, the measures on curves made by hand, and a whole fake run."""

import math
from pathlib import Path

import numpy as np
import pytest
from fake_run import BOOT, process, start, stop, tick, write_cell, write_plan, write_run
from pydantic import ValidationError

from analysis.estimates.outcomes import BY_NAME
from analysis.estimates.statistics import Estimate
from analysis.judgements.claims import CANNOT_TELL, MEASURES, NOT, PARTLY, REPRODUCED, measure, together, verdict
from analysis.judgements.paper import Expectation, SetupRow, paper
from analysis.study import study
from configuration.load import load
from testbed.process import PROJECT

CONFIGURATION = load(PROJECT / "experiments.toml")
BARS = CONFIGURATION.bars.model_copy(update={"resamples": 999})


def found(value: float, low: float, high: float, blocks: int = 8) -> Estimate:
    return Estimate(blocks, value, low, high, "BCa")


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (found(0.2, 0.1, 0.5), REPRODUCED),
        (found(0.2, 0.1, 0.6), PARTLY),
        (found(0.7, 0.6, 0.9), NOT),
        (found(0.7, 0.4, 0.9), CANNOT_TELL),
        (found(0.2, 0.1, 0.3, blocks=4), CANNOT_TELL),
        (Estimate(8, 0.2), CANNOT_TELL),
        (Estimate(8, math.nan), CANNOT_TELL),
    ],
)
def test_verdict_of_a_test(estimate: Estimate, expected: str) -> None:
    assert verdict(estimate, Expectation(measure="read_mb", at_most=0.5), 5) == expected


def test_verdict_of_a_claim() -> None:
    assert together([REPRODUCED, REPRODUCED]) == REPRODUCED
    assert together([NOT, NOT]) == NOT
    assert together([REPRODUCED, NOT]) == PARTLY
    assert together([REPRODUCED, CANNOT_TELL]) == CANNOT_TELL


def test_measures_of_curves() -> None:
    times = np.arange(0.0, 31)
    httpd = np.where(times > 10, 60.0, 0.0)
    rdbms = np.where(times <= 10, 2.0, np.minimum(2 + 60 * (times - 10), 602))
    curves = {"httpd": (times, httpd), "rdbms": (times, rdbms)}
    assert measure("share_before_request", curves, 10.2, 20.4) == pytest.approx(2 / 662)
    assert measure("httpd_onset_s", curves, 10.2, 20.4) == pytest.approx(0.8)
    assert measure("rdbms_lag_share", curves, 10.2, 20.4) == pytest.approx(0)
    assert measure("rdbms_over_httpd", curves, 10.2, 20.4) == pytest.approx(10)
    assert math.isnan(measure("rdbms_over_httpd", {**curves, "httpd": (times, times * 0)}, 10.2, 20.4))
    assert math.isnan(measure("httpd_onset_s", {**curves, "httpd": (times, times * 0)}, 10.2, 20.4)), "never rises"
    with pytest.raises(ValueError, match="no such measure"):
        measure("speed", curves, 10.2, 20.4)


def test_the_papers_data_names_only_what_there_is() -> None:
    for claim in paper().claim:
        for test in claim.tests:
            assert test.measure in {*MEASURES, *BY_NAME}
            assert {*filter(None, (test.condition, test.against))} <= set(CONFIGURATION.condition)
    assert len({claim.id for claim in paper().claim}) == len(paper().claim)
    values = CONFIGURATION.model_dump(mode="json")
    for row in (row for table in paper().setup for row in table.rows if row.ours):
        section, key = row.ours.split(".")
        assert key in values[section], row.ours
    with pytest.raises(ValidationError, match="exactly one of"):
        SetupRow(what="x", paper="y")
    with pytest.raises(ValidationError, match="at_least, at_most or both"):
        Expectation(measure="read_mb")


def test_claims_of_a_whole_run(tmp_path: Path) -> None:
    verdicts = {
        claim.claim.id: claim.verdict for claim in study(write_run(tmp_path / "few", replicates=2), BARS).claims
    }
    assert verdicts["overcommitment"] == CANNOT_TELL, "the fake run has no configuration"
    assert set(verdicts.values()) == {CANNOT_TELL}
    whole = study(write_run(tmp_path / "many", replicates=6), BARS)
    verdicts = {claim.claim.id: claim.verdict for claim in whole.claims}
    assert verdicts["quiet-before"] == verdicts["httpd-first"] == verdicts["rdbms-follows"] == REPRODUCED
    assert verdicts["hypothesis"] == REPRODUCED, "made up so"


def test_overcommitment_is_of_the_runs_own_configuration(tmp_path: Path) -> None:
    write_plan(tmp_path, ["01-baseline"])
    write_cell(tmp_path, "01-baseline", [start(), tick(0, [process(3, "mariadbd", 9)]), stop(1, 1)])
    assert BOOT > 0
    (tmp_path / "configuration.toml").write_text(
        "[guest]\nmemory_mib = 1024\n[service_a]\nceiling_mib = 819\n[alpha]\nsize_mib = 819\n"
    )
    results = {claim.claim.id: claim for claim in study(tmp_path, BARS).claims}
    assert results["overcommitment"].verdict == REPRODUCED
    assert results["overcommitment"].tests[0].found.value == 614
