"""The plan: randomized blocks, reproducible from the seed."""

import json
from pathlib import Path

from configuration.duration import estimate
from configuration.load import Configuration, load
from configuration.plan import Plan, bases, make_plan
from configuration.plan_file import read_plan
from testbed.process import PROJECT

CONFIGURATION = PROJECT / "experiments.toml"


def configuration(**run: object) -> Configuration:
    return load(CONFIGURATION, {"run": run})


def names(settings: Configuration) -> list[str]:
    return [base.name for base in bases(settings, make_plan(settings).cells)]


def test_each_block_holds_each_condition_once() -> None:
    plan = make_plan(configuration(replicates=5))
    assert len(plan.cells) == 25
    for replicate in range(1, 6):
        block = [cell.condition for cell in plan.cells if cell.replicate == replicate]
        assert sorted(block) == ["baseline", "baseline-again", "figure1", "siblings", "working-set"]
    assert [cell.replicate for cell in plan.cells] == sorted(cell.replicate for cell in plan.cells)


def test_the_order_is_the_seeds() -> None:
    first = make_plan(configuration(replicates=6, seed=1))
    assert first == make_plan(configuration(replicates=6, seed=1))
    assert first != make_plan(configuration(replicates=6, seed=2))
    orders = {tuple(c.condition for c in first.cells if c.replicate == r) for r in range(1, 7)}
    assert len(orders) > 1, "blocks are shuffled each on their own"


def test_a_plan_survives_json(tmp_path: Path) -> None:
    plan = make_plan(configuration())
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"run": "one", **plan.to_json()}))
    assert Plan.of_file(read_plan(path)) == plan


def test_snapshots_are_those_of_the_cells() -> None:
    assert names(configuration(conditions=["baseline"])) == ["lxc"]
    assert set(names(configuration())) == {"plain", "lxc"}


def test_the_estimate_grows_with_the_cells() -> None:
    settings = configuration(replicates=1)
    one, three = (estimate(settings, make_plan(configuration(replicates=n))) for n in (1, 3))
    assert three.seconds == 3 * one.seconds
    assert one.cell_seconds >= 5 + 1 + 10 + 10


def test_a_suite_has_its_own_conditions_and_blocks() -> None:
    settings = configuration(suite="prefetcher")
    plan = make_plan(settings)
    assert len(plan.cells) == 7 * 8
    block = sorted(cell.condition for cell in plan.cells if cell.replicate == 8)
    assert block == sorted(
        [
            "unpressured",
            "baseline",
            "working-set",
            "baseline-5000",
            "working-set-5000",
            "baseline-200",
            "working-set-200",
        ]
    )
    assert names(settings) == ["lxc"], "one warm snapshot serves them all"


def test_suites_mix() -> None:
    settings = configuration(suite=["controls", "peers"])
    block = [cell.condition for cell in make_plan(settings).cells if cell.replicate == 1]
    both = {*settings.suite["controls"].conditions, *settings.suite["peers"].conditions}
    assert sorted(block) == sorted(both), "what both have is there once"
    assert settings.replicates == max(settings.suite[name].replicates for name in ("controls", "peers"))
    assert configuration(suite=["default", "prefetcher"]).replicates == 8, "of several the most"


def test_another_base_is_another_snapshot() -> None:
    conditions = ["baseline", "alpha-409", "idle-60", "processes-1", "processes-20", "service-c"]
    assert sorted(names(configuration(conditions=conditions))) == [
        "lxc", "lxc-1-processes", "lxc-20-processes", "lxc-service_c",
    ]  # fmt: skip


def test_a_long_wait_is_in_the_estimate() -> None:
    short, long = (configuration(replicates=1, conditions=[name]) for name in ("baseline", "idle-600"))
    difference = estimate(long, make_plan(long)).seconds - estimate(short, make_plan(short)).seconds
    assert difference == 600 - short.steps.before_request_s


def test_without_pressure_a_request_takes_alphas_place_in_the_estimate() -> None:
    settings = configuration(suite="prefetcher", replicates=1, conditions=["baseline", "unpressured"])
    both = estimate(settings, make_plan(settings))
    alone = configuration(replicates=1, conditions=["baseline"])
    usual = settings.estimate
    pressed = estimate(alone, make_plan(alone)).seconds
    assert both.seconds == 2 * pressed + usual.request_s - usual.alpha_s
    assert both.cell_seconds == both.seconds / 2


def test_a_rehearsal_and_rounds_of_alpha_are_in_the_estimate() -> None:
    def seconds(name: str) -> float:
        settings = configuration(conditions=[name], replicates=1)
        return estimate(settings, make_plan(settings)).seconds

    usual, warm = configuration().estimate, configuration().warm
    assert seconds("oracle") == 2 * seconds("baseline")
    rounds = warm.idle_rounds * usual.alpha_s
    assert seconds("zram") == seconds("baseline") + rounds
