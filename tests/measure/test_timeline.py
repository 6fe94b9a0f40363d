"""The paper's steps, played to streams that answer at once; alpha's place without pressure."""

from collections.abc import Callable
from typing import Any

import pytest

from measure import timeline
from measure.settings import StepSettings
from measure.stream import Mark, OwnUse, Record, Start, Stop, Tick
from measure.timeline import Streams, Timeline
from workloads.request import Response

OWN = OwnUse(minflt=0, majflt=0, cpu_us=0)
TICK = {"late_us": 0, "missed": 0, "self": OWN, "vmstat": {}, "meminfo": {}, "groups": {}, "disks": {}, "procs": ()}


class Samples:
    """A sampler that does at once what it is told, and ticks as far as somebody waits."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def send(self, command: str) -> None:
        word, _, name = command.partition(" ")
        if word == "start":
            self.records.append(Start(type="start", t=100.0, wall=0.0, interval=1.0))
        elif word == "mark":
            self.records.append(Mark(type="mark", t=111.0, name=name))
        elif word == "stop":
            values = {"ticks": 25, "missed": 0, "dropped": 0, "lost_exits": 0, "overruns": 0, "self": OWN}
            self.records.append(Stop.model_validate({"type": "stop", "t": 125.0, **values}))

    def wait(self, found: Callable[[Record], bool], _limit: float, what: str, _alive: Callable[[], None]) -> Record:
        for n in range(100):
            if record := next((record for record in self.records if found(record)), None):
                return record
            self.records.append(Tick.model_validate({"type": "tick", "n": n, "t": 100.0, "due": 100.0, **TICK}))
        pytest.fail(what)


class Peer:
    def __init__(self, steps: list[str]) -> None:
        self._steps = steps

    def send(self, command: str) -> None:
        self._steps.append(command)


class Alpha:
    def __init__(self) -> None:
        self.ready: list[dict[str, object]] = []

    def events(self, name: str) -> list[dict[str, object]]:
        assert name == "ready"
        return self.ready

    def wait_event(self, name: str, _limit: float, _guest: object, nth: int) -> dict[str, object]:
        assert nth == len(self.events(name)) + 1, "an earlier round's is not this one's"
        self.ready.append({"t": 99.0})
        return self.ready[-1]


class Topology:
    def __init__(self) -> None:
        self.started = 0

    def start_alpha(self, _shell: object) -> None:
        self.started += 1
        self.runs = True

    def stop_alpha(self, _shell: object) -> None:
        assert self.runs
        self.runs = False


class Guest:
    http_port = 8080

    def alive(self) -> None:
        """It is."""


TIMES = StepSettings(before_alpha_s=0.0, before_recording_s=0.0, before_request_s=10.0, after_response_s=0.0)


def play(
    monkeypatch: pytest.MonkeyPatch, *, pressure: bool, advance_s: float | None = None, idle_rounds: int = 0
) -> tuple[list[str], int]:
    """The steps as they were noted, and how often alpha was started."""
    steps: list[str] = []

    def answer(_port: int, _limit: float, on_first_byte: Callable[[], None] = lambda: None) -> Response:
        steps.append("GET")
        on_first_byte()
        return Response(3, 42, 0.5, 1.0)

    monkeypatch.setattr(timeline, "request", answer)
    topology, unknown = Topology(), Samples()
    guest: Any = Guest()
    streams: Any = Streams(unknown, Samples(), Alpha(), Peer(steps))  # type: ignore[arg-type]
    performance = Timeline(
        guest=guest,
        topology=topology,  # type: ignore[arg-type]
        streams=streams,
        times=TIMES,
        interval_s=1.0,
        alpha_limit_s=60,
        request_limit_s=60,
        pressure=pressure,
        note=lambda step, **_values: steps.append(step),
        arm=lambda _shell: steps.append("armed"),
        advance_s=advance_s,
        idle_rounds=idle_rounds,
    )
    response = performance.run(None)  # type: ignore[arg-type]
    assert response.rows == 3
    return steps, topology.started


RECORDED = ["recording", "request", "GET", "first-byte", "response", "stop"]


def test_with_pressure_alpha_comes_before_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    assert play(monkeypatch, pressure=True) == (["armed", "alpha-start", "alpha-ready", *RECORDED], 1)


def test_without_pressure_a_request_of_its_own_comes_there_and_no_alpha(monkeypatch: pytest.MonkeyPatch) -> None:
    assert play(monkeypatch, pressure=False) == (["armed", "warm-up-request", "GET", "warm-up-response", *RECORDED], 0)


def test_a_peer_is_told_to_go_so_long_before_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    steps, _ = play(monkeypatch, pressure=True, advance_s=2)
    assert steps == ["armed", "alpha-start", "alpha-ready", "recording", "go", "advance", *RECORDED[1:]]


def test_alpha_comes_and_goes_before_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    steps, started = play(monkeypatch, pressure=True, idle_rounds=2)
    assert (steps, started) == (["armed", "idle-round", "idle-round", "alpha-start", "alpha-ready", *RECORDED], 3)
