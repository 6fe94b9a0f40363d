"""What makes a cell count: checks computed from its records alone. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from measure.stream import Mark, Record, Stop, StreamError, Tick
from workloads.service_a.request import Expected, Response

MIB = 1024 * 1024
SERVICE = "service_a"


@dataclass(frozen=True)
class Check:
    """One check of one cell: its name, whether it holds, and the numbers that say so."""

    check: str
    ok: bool
    detail: str


def check_cell(
    records: Sequence[Record], response: Response, expected: Expected, least_swapped_mib: float | None
) -> list[Check]:
    """All checks, those that hold too. ``least_swapped_mib`` is None where nothing was to be pushed out."""
    ticks = [record for record in records if isinstance(record, Tick)]
    stop = next((record for record in records if isinstance(record, Stop)), None)
    return [
        check_response(response, expected),
        check_ticks(ticks, stop),
        check_sampler(stop),
        *([] if least_swapped_mib is None else [check_swapped_out(ticks, records, least_swapped_mib)]),
        check_oom(ticks),
        check_stream(records, stop),
    ]


def check_response(response: Response, expected: Expected) -> Check:
    detail = f"{response.rows} rows, checksum {response.checksum}; expected {expected.rows} rows, {expected.checksum}"
    return Check("response", response.matches(expected), detail)


def check_ticks(ticks: Sequence[Tick], stop: Stop | None) -> Check:
    """No due instant was missed, and every tick has arrived."""
    if not ticks or stop is None:
        return Check("ticks", False, "the recording has no ticks or no end")
    whole = [tick.n for tick in ticks] == list(range(len(ticks)))
    return Check("ticks", whole and stop.missed == 0, f"{len(ticks)} ticks, {stop.missed} missed")


def check_sampler(stop: Stop | None) -> Check:
    """The sampler disturbed nothing and was not disturbed: it took no major fault itself."""
    faults = stop.own.majflt if stop else -1
    return Check("sampler-faults", faults == 0, f"{faults} major faults of the sampler")


def check_swapped_out(ticks: Sequence[Tick], records: Sequence[Record], least_mib: float) -> Check:
    """Enough of service A was in swap when the request was sent: otherwise nothing was tested."""
    sent = next((record.t for record in records if isinstance(record, Mark) and record.name == "request"), None)
    before = [tick for tick in ticks if sent is not None and tick.t <= sent]
    group = before[-1].groups.get(SERVICE) if before else None
    swapped = (group.memory_swap_current or 0) / MIB if group else 0.0
    return Check("swapped-out", swapped >= least_mib, f"{swapped:.0f} MiB of service A in swap, {least_mib:.0f} needed")


def check_oom(ticks: Sequence[Tick]) -> Check:
    """Nothing was killed for lack of memory within the recording."""
    killed = 0
    for name in {name for tick in ticks for name in tick.groups}:
        counts = [g.oom_kill for tick in ticks if (g := tick.groups.get(name)) and g.oom_kill is not None]
        killed += counts[-1] - counts[0] if counts else 0
    return Check("oom", killed == 0, f"{killed} processes killed")


def check_stream(records: Sequence[Record], stop: Stop | None) -> Check:
    """Nothing is missing from the stream, and the sampler complained of nothing."""
    errors = [record.message for record in records if isinstance(record, StreamError)]
    if stop is None:
        return Check("stream", False, "no end")
    lost = stop.dropped + stop.lost_exits + stop.overruns
    return Check("stream", lost == 0 and not errors, f"{lost} lines or exits lost, {len(errors)} errors")
