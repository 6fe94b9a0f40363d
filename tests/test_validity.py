"""The checks that decide whether a cell counts, on hand-made records."""

from collections.abc import Sequence
from typing import Any

import pytest

from measure.stream import Group, Mark, OwnUse, Record, Stop, StreamError, Tick
from measure.validity import MIB, check_cell
from workloads.service_a.request import Expected, Response

EXPECTED = Expected(3, 42)
GOOD = Response(3, 42, 0.5, 1.0)


def tick(n: int, swapped_mib: int = 100, oom_kill: int = 0) -> Tick:
    group = Group.model_validate({"memory.swap.current": swapped_mib * MIB, "oom_kill": oom_kill})
    return Tick.model_validate(
        {
            "type": "tick", "n": n, "t": float(n), "due": float(n), "late_us": 0, "missed": 0,
            "self": {"minflt": 0, "majflt": 0, "cpu_us": 0}, "vmstat": {}, "meminfo": {},
            "groups": {"service_a": group}, "disks": {}, "procs": (),
        }
    )  # fmt: skip


def stop(**changes: Any) -> Stop:
    own = OwnUse(minflt=0, majflt=changes.pop("majflt", 0), cpu_us=0)
    values = {"type": "stop", "t": 9.0, "ticks": 3, "missed": 0, "dropped": 0, "lost_exits": 0, "overruns": 0}
    return Stop.model_validate({**values, **changes, "self": own})


def cell(**changes: Any) -> list[Record]:
    ticks: Sequence[Tick] = changes.get("ticks", [tick(0), tick(1), tick(2)])
    return [*ticks, Mark(type="mark", t=1.5, name="request"), changes.get("stop", stop())]


def failing(records: Sequence[Record], response: Response = GOOD) -> set[str]:
    return {check.check for check in check_cell(records, response, EXPECTED, 50) if not check.ok}


def test_a_good_cell_passes_everything() -> None:
    checks = check_cell(cell(), GOOD, EXPECTED, 50)
    assert {check.check for check in checks} == {"response", "ticks", "sampler-faults", "swapped-out", "oom", "stream"}
    assert all(check.ok for check in checks)
    assert all(check.detail for check in checks)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"ticks": [tick(0), tick(2)]}, "ticks"),
        ({"stop": stop(missed=1)}, "ticks"),
        ({"stop": stop(majflt=1)}, "sampler-faults"),
        ({"ticks": [tick(0, 49), tick(1, 49), tick(2, 90)]}, "swapped-out"),
        ({"ticks": [tick(0), tick(1), tick(2, oom_kill=1)]}, "oom"),
        ({"stop": stop(dropped=1)}, "stream"),
        ({"stop": stop(lost_exits=1)}, "stream"),
        ({"stop": stop(overruns=1)}, "stream"),
    ],
)
def test_each_fault_fails_its_own_check_alone(changes: dict[str, Any], name: str) -> None:
    assert failing(cell(**changes)) == {name}


@pytest.mark.parametrize("response", [Response(2, 42, 0.5, 1), Response(3, 41, 0.5, 1)])
def test_a_wrong_answer_fails(response: Response) -> None:
    assert failing(cell(), response) == {"response"}


def test_the_samplers_own_complaint_fails() -> None:
    assert failing([*cell(), StreamError(type="error", t=1.0, message="netlink")]) == {"stream"}


def test_nothing_recorded_passes_nothing_by_accident() -> None:
    assert failing([]) == {"ticks", "sampler-faults", "swapped-out", "stream"}


def test_without_pressure_nothing_has_to_be_in_swap() -> None:
    checks = check_cell(cell(ticks=[tick(0, 0), tick(1, 0), tick(2, 0)]), GOOD, EXPECTED, None)
    assert {check.check for check in checks} == {"response", "ticks", "sampler-faults", "oom", "stream"}
    assert all(check.ok for check in checks)
