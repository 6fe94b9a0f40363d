"""The checks that decide whether a cell counts, on hand-made records."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from measure import hostuse
from measure.hostuse import HostUse
from measure.settings import CheckSettings
from measure.stream import Group, Mark, OwnUse, Record, Stop, StreamError, Tick
from measure.validity import MIB, Facts, check_cell
from workloads.request import Expected, Response

EXPECTED = Expected(3, 42)
GOOD = Response(3, 42, 0.5, 1.0)
NAMES = {
    "response", "ticks", "sampler-late", "sampler-faults", "clock", "alpha", "swapped-out", "oom", "stream", "host",
}  # fmt: skip


def tick(n: int, swapped_mib: int = 100, oom_kill: int = 0, late_us: int = 0) -> Tick:
    group = Group.model_validate({"memory.swap.current": swapped_mib * MIB, "oom_kill": oom_kill})
    return Tick.model_validate(
        {
            "type": "tick", "n": n, "t": float(n), "due": float(n), "late_us": late_us, "missed": 0,
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


CALM = HostUse(30, 0.1, 0.05, 0)
INSTANTS = ((100.0, 5.0), (110.0, 15.01), (121.0, 26.0))


LIMITS = CheckSettings(swapped_out_mib=50, sampler_late_s=0.5, clock_jump_s=0.5, steal_share=0.5, others_share=0.25)


def facts(**changes: Any) -> Facts:
    values = {"response": GOOD, "expected": EXPECTED, "instants": INSTANTS, "alpha_pages": (9, 9), "host": CALM}
    return Facts(**{**values, **changes})


def failing(records: Sequence[Record], **changes: Any) -> set[str]:
    return {check.check for check in check_cell(records, facts(**changes), LIMITS) if not check.ok}


def test_a_good_cell_passes_everything() -> None:
    checks = check_cell(cell(), facts(), LIMITS)
    assert {check.check for check in checks} == NAMES
    assert all(check.ok for check in checks)
    assert all(check.detail for check in checks)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"ticks": [tick(0), tick(2)]}, "ticks"),
        ({"stop": stop(missed=1)}, "ticks"),
        ({"ticks": [tick(0), tick(1, late_us=600_000), tick(2)]}, "sampler-late"),
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


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"instants": ((100.0, 5.0), (110.0, 15.6))}, "clock"),
        ({"instants": ((100.0, 5.0), (110.0, 14.4))}, "clock"),
        ({"instants": ()}, "clock"),
        ({"alpha_pages": (8, 9)}, "alpha"),
        ({"host": HostUse(30, 0.6, 0, 0)}, "host"),
        ({"host": HostUse(30, 0, 0.3, 0)}, "host"),
        ({"host": HostUse(30, 0, 0, 1)}, "host"),
    ],
)
def test_what_disturbs_a_cell_fails_its_own_check_alone(changes: dict[str, Any], name: str) -> None:
    assert failing(cell(), **changes) == {name}


@pytest.mark.parametrize("response", [Response(2, 42, 0.5, 1), Response(3, 41, 0.5, 1)])
def test_a_wrong_answer_fails(response: Response) -> None:
    assert failing(cell(), response=response) == {"response"}


def test_the_samplers_own_complaint_fails() -> None:
    assert failing([*cell(), StreamError(type="error", t=1.0, message="netlink")]) == {"stream"}


def test_nothing_recorded_passes_nothing_by_accident() -> None:
    assert failing([]) == {"ticks", "sampler-faults", "swapped-out", "stream"}


def test_without_pressure_nothing_has_to_be_written_or_in_swap() -> None:
    checks = check_cell(cell(ticks=[tick(0, 0), tick(1, 0), tick(2, 0)]), facts(alpha_pages=None), LIMITS)
    assert {check.check for check in checks} == NAMES - {"alpha", "swapped-out"}
    assert all(check.ok for check in checks)


STAT = "cpu  {0} 0 {0} 500 20 0 10 {1} 0 0\ncpu0 1 0 1 1 0 0 0 0 0 0\ncpu1 1 0 1 1 0 0 0 0 0 0\nintr 5\n"


def test_host_use_between_two_readings(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(STAT.format(1000, 100))
    (tmp_path / "vmstat").write_text("nr_free_pages 9\npswpin 5\npswpout 7\n")
    first = hostuse.read(2.0, tmp_path)
    assert (first.cpus, first.swapped) == (2, 12)
    (tmp_path / "stat").write_text(STAT.format(1000 + 4 * hostuse.TICKS, 100 + 2 * hostuse.TICKS))
    (tmp_path / "vmstat").write_text("pswpin 5\npswpout 8\n")
    second = replace(hostuse.read(2.0, tmp_path), t=first.t + 10, own_s=first.own_s + 5)
    assert hostuse.between(first, second) == HostUse(10, 0.1, 0.15, 1)
