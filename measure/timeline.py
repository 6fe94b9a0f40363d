"""The paper's steps, performed on a guest whose service A is up; every instant is noted as it happens."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from measure.recording import Event, EventStream, SampleStream
from measure.settings import StepSettings
from measure.stream import Mark, Start, Stop, Tick
from testbed.guest import Guest
from testbed.ssh.shell import Shell
from workloads.request import Response, request
from workloads.topology import Topology

ANSWER_SECONDS = 60  # for the sampler's answer to a command: it is locked in memory, so this is generous

R = TypeVar("R", Start, Mark, Stop)


@dataclass(frozen=True)
class Streams:
    """The host's ends of the guest's virtio-serial ports."""

    samples: SampleStream
    prefetch: EventStream
    alpha: EventStream
    peer: EventStream

    def _all(self) -> tuple[SampleStream | EventStream, ...]:
        return self.samples, self.prefetch, self.alpha, self.peer

    def raise_failure(self) -> None:
        """Raises what went wrong with a stream that nobody waited for."""
        for stream in self._all():
            if stream.failure:
                raise stream.failure

    def close(self) -> None:
        for stream in self._all():
            stream.close()


def run_alpha(shell: Shell, guest: Guest, topology: Topology, alpha: EventStream, limit: float) -> Event:
    """Start it and wait until every page of it is written: what it says then. Raises GuestError after ``limit`` s."""
    seen = len(alpha.events("ready"))
    topology.start_alpha(shell)
    return alpha.wait_event("ready", limit, guest, nth=seen + 1)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """One performance of the steps. ``note`` is told each step's name and instants as it happens.

    ``arm`` is called when the restored guest has come to rest, just before alpha: a clock that was set wakes threads,
    whose faults are not to set off what the cell is about.

    Without ``pressure`` a request that is not recorded takes alpha's place: it brings service A back into memory.
    Before alpha there are ``idle_rounds`` of alpha alone, as in the making of the warm snapshot: one pushes out little
    of what has just come into memory.
    With ``advance_s`` the guest's peer is told to go so long before the request; nobody waits for it to be done.
    """

    guest: Guest
    topology: Topology
    streams: Streams
    times: StepSettings
    interval_s: float
    alpha_limit_s: float
    request_limit_s: float
    pressure: bool
    note: Callable[..., None]
    arm: Callable[[Shell], None]
    advance_s: float | None = None
    idle_rounds: int = 0

    def run(self, shell: Shell) -> Response:
        """All steps from "RDBMS is up" to the end of the recording; the response is not judged here.

        Raises GuestError or CellError when a step does not happen.
        """
        self._pause(self.times.before_alpha_s)
        self.arm(shell)
        if not self.pressure:
            self._bring_in()
        for _ in range(self.idle_rounds):
            self.note("idle-round")
            self._run_alpha(shell)
            self.topology.stop_alpha(shell)
        if self.pressure:
            self._start_alpha(shell)
        # From here to the end nothing is done over SSH.
        self._pause(self.times.before_recording_s)
        self._start_recording()
        due = self._tick_at(self.times.before_request_s)
        if self.advance_s is not None:
            self._wait_tick(max(0, due - self._tick_at(self.advance_s)))
            self.streams.peer.send("go")
            self.note("advance")
        self._wait_tick(due)
        response = self._request(due)
        after = self._newest_tick() + 1 + self._tick_at(self.times.after_response_s)
        self._wait_tick(after)
        self._stop_recording()
        return response

    def _start_alpha(self, shell: Shell) -> None:
        self.note("alpha-start")
        ready = self._run_alpha(shell)
        t = ready.get("t")
        self.note("alpha-ready", guest=t if isinstance(t, float) else None)

    def _run_alpha(self, shell: Shell) -> Event:
        return run_alpha(shell, self.guest, self.topology, self.streams.alpha, self.alpha_limit_s)

    def _bring_in(self) -> None:
        self.note("warm-up-request")
        response = request(self.guest.http_port, self.request_limit_s)
        self.note("warm-up-response", rows=response.rows, total_s=response.total_s)

    def _start_recording(self) -> None:
        self.streams.samples.send(f"start {self.interval_s:.9f}")
        start = self._answer(Start, "the start of the recording")
        self.note("recording", guest=start.t)

    def _request(self, tick: int) -> Response:
        samples = self.streams.samples
        samples.send("mark request")
        self.note("request", guest=self._mark("request").t, tick=tick)
        first_byte: list[float] = []

        def on_first_byte() -> None:
            samples.send("mark first-byte")
            first_byte.append(time.monotonic())

        response = request(self.guest.http_port, self.request_limit_s, on_first_byte)
        samples.send("mark response")
        ended = time.monotonic()
        for host in first_byte:
            self.note("first-byte", guest=self._mark("first-byte").t, host=host)
        self.note("response", guest=self._mark("response").t, host=ended)
        return response

    def _mark(self, name: str) -> Mark:
        return self._answer(Mark, f"mark {name}", lambda record: record.name == name)

    def _stop_recording(self) -> None:
        self.streams.samples.send("stop")
        stop = self._answer(Stop, "the end of the recording")
        self.note("stop", guest=stop.t)

    def _answer(self, kind: type[R], what: str, accepts: Callable[[R], bool] = lambda _record: True) -> R:
        record = self.streams.samples.wait(
            lambda record: isinstance(record, kind) and accepts(record),
            ANSWER_SECONDS,
            what,
            self.guest.alive,
        )
        assert isinstance(record, kind)  # noqa: S101 - it is what was waited for
        return record

    def _tick_at(self, seconds: float) -> int:
        return round(seconds / self.interval_s)

    def _newest_tick(self) -> int:
        return max((r.n for r in self.streams.samples.records if isinstance(r, Tick)), default=0)

    def _wait_tick(self, number: int) -> None:
        remaining = (number - self._newest_tick()) * self.interval_s
        limit = remaining + ANSWER_SECONDS
        self.streams.samples.wait(
            lambda record: isinstance(record, Tick) and record.n >= number,
            limit,
            f"tick {number}",
            self.guest.alive,
        )

    def _pause(self, seconds: float) -> None:
        """A wait of the paper's procedure; ends early, with an error, if the guest is lost."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.guest.alive()
            time.sleep(min(left, 0.25))
