"""One cell: a fork of the warm snapshot, the paper's steps, the checks. A function of its task alone."""

import errno
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import prefetch.install
from configuration.condition import Condition
from configuration.plan import Cell
from configuration.resolved import CellSettings
from experiment import condition_setup, failure
from experiment.building.snapshot import Snapshot
from experiment.fork import paused_fork
from measure import hostuse
from measure.journal import (
    ALPHA,
    CONSOLE,
    DOMAIN,
    JOURNAL,
    PEER,
    PREFETCH,
    SAMPLES,
    Answer,
    End,
    Head,
    Journal,
    Mechanism,
)
from measure.packed import Damaged, read_stored, stored
from measure.recording import EventStream, SampleStream
from measure.stream import Hello, Mark, Tick
from measure.timeline import ANSWER_SECONDS, Streams, Timeline
from measure.validity import Facts, check_cell
from testbed import ledger
from testbed.errors import DiskFull, UsageError
from testbed.guest import ALPHA_PORT, MEASURE_PORT, PEER_PORT, PREFETCH_PORT, Guest
from testbed.ssh.shell import Shell
from testbed.supervision.watch import CONSOLE_BYTES
from workloads.request import Expected
from workloads.topology import MEASURED

log = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT)
FREE_SOME = "free some, then go on with --resume; what is recorded stays"
REHEARSAL = "rehearsal"  # a folder in a cell of policy oracle, with the records of its rehearsal ...
TRACE = "trace.set"  # ... and what that needed
TRACE_BYTES = 16 * 1024 * 1024  # 75 times what one has

StepSeen = Callable[[str], None]
TickSeen = Callable[[Tick], None]
FailureSeen = Callable[[Guest, str], None]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything one cell needs; can be sent to another process."""

    cell: Cell
    settings: CellSettings
    snapshot: Snapshot
    accelerator: str
    expected: Expected
    folder: Path  # results/<run>/cells/<cell>
    scratch: Path  # for the overlays, which are thrown away
    host: str = ""  # it runs on ...
    guests: int = 1  # ... which runs so many at a time
    rehearses: bool = False  # its own cell: see rehearse

    @property
    def condition(self) -> Condition:
        return self.settings.condition


@dataclass(frozen=True)
class Ended:
    """How a cell ended. Only a complete and valid one counts; ``kind`` is the kind of failure of another, else ""."""

    cell: Cell
    complete: bool
    valid: bool
    reason: str
    seconds: float
    kind: str = ""


@dataclass(frozen=True)
class Checked:
    """What the checks say of a cell that has come to its end: "" and "" if it counts."""

    kind: str = ""
    reason: str = ""


def perform(
    task: Task,
    on_step: StepSeen = lambda _: None,
    on_tick: TickSeen = lambda _: None,
    on_failure: FailureSeen = lambda _guest, _reason: None,
) -> Ended:
    """Run a cell to its end. Whatever fails, bugs included, is recorded and returned.

    ``on_failure`` is called while the guest of a cell that does not count is still there.
    Raises DiskFull: the next cell would find no room, either.
    """
    try:
        return perform_and_record(task, on_step, on_tick, on_failure)
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(f"{error.filename or task.folder}: {error.strerror}", FREE_SOME) from error
        raise


def perform_and_record(task: Task, on_step: StepSeen, on_tick: TickSeen, on_failure: FailureSeen) -> Ended:
    begin = time.monotonic()
    task.folder.mkdir(parents=True)
    journal = Journal(task.folder / JOURNAL)
    condition = task.condition
    journal.write(
        Head(
            name=task.cell.name,
            **asdict(task.cell),
            pressure=condition.pressure,
            disk_iops=condition.disk_iops,
            accelerator=task.accelerator,
            ran_on=task.host,
            guests=task.guests,
        )
    )
    complete, verdict = False, Checked("Interrupted", "interrupted")
    try:
        rehearsed = rehearse(task, on_step, on_failure) if condition.policy == "oracle" else Checked()
        verdict = rehearsed if rehearsed.reason else run_steps(task, journal, on_step, on_tick, on_failure)
        complete = True
    except Exception as error:
        full = isinstance(error, DiskFull) or getattr(error, "errno", 0) in FULL
        kind = DiskFull.__name__ if full else type(error).__name__
        verdict = Checked(kind, str(error) or kind)
        failure.keep_error(task.folder, error)
        if full:
            raise
        log.warning("%s failed: %s", task.cell.name, error)
    finally:
        with journal:
            valid = complete and not verdict.reason
            journal.write(End(complete, valid, verdict.kind, verdict.reason))
    if not valid:
        failure.keep_command(task.folder, task.cell.condition)
    return Ended(task.cell, complete, valid, verdict.reason, time.monotonic() - begin, verdict.kind)


def rehearse(task: Task, on_step: StepSeen, on_failure: FailureSeen) -> Checked:
    """What policy oracle is told: what this very cell needs, from a fork where the prefetcher only records."""
    recording = task.condition.model_copy(update={"policy": "off", "advance": None})
    settings = task.settings.model_copy(update={"condition": recording})
    rehearsal = replace(task, settings=settings, folder=task.folder / REHEARSAL, rehearses=True)
    rehearsal.folder.mkdir()
    with Journal(rehearsal.folder / JOURNAL) as journal:
        verdict = run_steps(rehearsal, journal, lambda step: on_step(f"rehearsal: {step}"), lambda _: None, on_failure)
        journal.write(End(True, not verdict.reason, verdict.kind, verdict.reason))
    return replace(verdict, reason=f"rehearsal: {verdict.reason}") if verdict.reason else verdict


def keep_trace(task: Task, shell: Shell, guest: Guest, streams: Streams) -> None:
    """The set file of the request's activation, once that has been recorded. Raises GuestError."""
    request = next(r.t for r in streams.samples.records if isinstance(r, Mark) and r.name == "request")

    def is_recorded() -> bool:
        records = [r for r in streams.prefetch.events("record") if r.get("group") == MEASURED]
        return any(float(str(record["t"])) > request for record in records)

    guest.wait(is_recorded, task.settings.limits.request_s, "the record of the activation")
    (task.folder / TRACE).write_bytes(prefetch.install.read_trace(shell, MEASURED))


def read_trace(folder: Path) -> bytes:
    """Of a cell's folder, a packed one, too. Raises UsageError if it has had no rehearsal."""
    path = folder / REHEARSAL / TRACE
    if not stored(path).exists():
        raise UsageError(f"{folder.name}: its rehearsal has left no trace", "policy oracle needs one: run the cell")
    try:
        return read_stored(path, TRACE_BYTES)
    except Damaged as damaged:
        raise UsageError(
            f"{folder.name}: the trace of its rehearsal is damaged: {damaged}", "run it again"
        ) from damaged


def run_steps(task: Task, journal: Journal, on_step: StepSeen, on_tick: TickSeen, on_failure: FailureSeen) -> Checked:
    """The cell's work."""
    settings, condition = task.settings, task.condition
    trace = read_trace(task.folder) if condition.policy == "oracle" else b""
    instants: list[tuple[float, float]] = []

    def note(step: str, **values: object) -> None:
        noted = journal.step(step, **values)
        # Of alpha's readiness the host hears late: its guest is short of memory then.
        if step != "alpha-ready" and noted.guest is not None:
            instants.append((noted.host, noted.guest))
        on_step(step)

    with ExitStack() as stack:
        note("restore")
        overlays = stack.enter_context(ledger.folder(task.scratch, f"{task.cell.name}-"))
        stack.enter_context(failure.of_host(task.folder, overlays))
        guest = stack.enter_context(paused_fork(settings, task.snapshot, overlays))
        (task.folder / DOMAIN).write_text(guest.xml)
        stack.callback(keep_console, guest, task.folder)
        stack.enter_context(failure.of_guest(task.folder, guest, on_failure))
        stack.enter_context(guest.explained())
        streams = open_streams(guest, task.folder, on_tick)
        stack.callback(streams.close)
        guest.resume()
        streams.samples.send("ping")
        streams.samples.wait(
            lambda record: isinstance(record, Hello), ANSWER_SECONDS, "the sampler's answer", guest.alive
        )
        note("restored", disk_iops=guest.disk_iops())
        shell = guest.shell(settings.limits.login_s)
        stack.callback(shell.close)
        condition_setup.set_up(shell, settings)
        note("ready")
        topology = condition_setup.make_topology(settings)
        timeline = Timeline(
            guest=guest,
            topology=topology,
            streams=streams,
            times=settings.steps,
            interval_s=settings.sampler.interval_s,
            alpha_limit_s=settings.limits.alpha_s,
            request_limit_s=settings.limits.request_s,
            pressure=condition.pressure,
            note=note,
            arm=lambda shell: condition_setup.arm(shell, condition, topology.cgroups[MEASURED], trace),
            advance_s=condition.advance.seconds if condition.advance else None,
            idle_rounds=settings.warm.idle_rounds if condition.renews_swap else 0,
        )
        before = hostuse.read(guest.cpu_s())
        response = timeline.run(shell)
        host = hostuse.between(before, hostuse.read(guest.cpu_s()))
        journal.write(Answer(**asdict(response), ok=response.matches(task.expected)))
        journal.write(host)
        journal.write(Mechanism(**condition_setup.mechanism(shell, condition)))
        for advance in condition_setup.advances(streams.peer):
            journal.write(advance)
        if task.rehearses:
            keep_trace(task, shell, guest, streams)
        streams.raise_failure()
        records = list(streams.samples.records)
        alpha = (alpha_pages(streams.alpha), settings.alpha.pages) if condition.pressure else None
        limits = settings.checks.beside(task.guests)
        checks = check_cell(records, Facts(response, task.expected, instants, alpha, host), limits)
        for check in checks:
            journal.write(check)
        failed = [check for check in checks if not check.ok]
        if not failed:
            return Checked()
        reason = "; ".join(f"{check.check}: {check.detail}" for check in failed)
        on_failure(guest, reason)
        return Checked(f"check {failed[0].check}", reason)


def alpha_pages(events: EventStream) -> int:
    """That alpha says it has written; 0 if it does not say so."""
    pages = events.events("ready")[-1].get("pages") if events.events("ready") else None
    return pages if isinstance(pages, int) else 0


def open_streams(guest: Guest, folder: Path, on_tick: TickSeen) -> Streams:
    return Streams(
        SampleStream(guest.ports[MEASURE_PORT], folder / SAMPLES, on_tick),
        EventStream(guest.ports[PREFETCH_PORT], folder / PREFETCH),
        EventStream(guest.ports[ALPHA_PORT], folder / ALPHA),
        EventStream(guest.ports[PEER_PORT], folder / PEER),
    )


def keep_console(guest: Guest, folder: Path) -> None:
    if guest.console.exists():
        with guest.console.open("rb") as console:
            (folder / CONSOLE).write_bytes(console.read(CONSOLE_BYTES))
