"""The plan: randomized blocks, reproducible from the seed."""

import json
from pathlib import Path

from experiment.config import Configuration, load
from experiment.estimate import estimate
from experiment.plan import Plan, make_plan, topologies

CONFIGURATION = Path(__file__).parent.parent / "experiments.toml"


def configuration(**run: object) -> Configuration:
    return load(CONFIGURATION, {"run": run})


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


def test_a_plan_survives_json() -> None:
    plan = make_plan(configuration())
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_topologies_are_those_of_the_cells() -> None:
    assert topologies(make_plan(configuration(conditions=["baseline"])).cells) == ["lxc"]
    assert set(topologies(make_plan(configuration()).cells)) == {"plain", "lxc"}


def test_the_estimate_grows_with_the_cells() -> None:
    settings = configuration(replicates=1)
    one, three = (estimate(settings, make_plan(configuration(replicates=n))) for n in (1, 3))
    assert three.seconds == 3 * one.seconds
    assert one.cell_seconds >= 5 + 1 + 10 + 10


def test_a_suite_has_its_own_conditions_and_blocks() -> None:
    plan = make_plan(configuration(suite="prefetcher"))
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
    assert topologies(plan.cells) == ["lxc"], "one warm snapshot serves them all"


def test_without_pressure_a_request_takes_alphas_place_in_the_estimate() -> None:
    settings = configuration(suite="prefetcher", replicates=1, conditions=["baseline", "unpressured"])
    both = estimate(settings, make_plan(settings))
    alone = configuration(replicates=1, conditions=["baseline"])
    usual = settings.estimate
    pressed = estimate(alone, make_plan(alone)).seconds
    assert both.seconds == 2 * pressed + usual.request_s - usual.alpha_s
    assert both.cell_seconds == both.seconds / 2
