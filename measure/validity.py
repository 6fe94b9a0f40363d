"""What makes a cell count: checks computed from its records alone. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from measure.hostuse import HostUse
from measure.settings import CheckSettings
from measure.stream import Mark, Record, Stop, StreamError, Tick
from workloads.request import Expected, Response
from workloads.topology import MEASURED

MIB = 1024 * 1024


@dataclass(frozen=True)
class Check:
    """One check of one cell: its name, whether it holds, and the numbers that say so."""

    check: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Facts:
    """What a cell's steps left besides the sampler's records.

    ``instants``: of the steps, in seconds of the host's and of the guest's clock. ``alpha_pages``: that alpha says it
    wrote, and that it was to write; None where it was not started.
    """

    response: Response
    expected: Expected
    instants: Sequence[tuple[float, float]]
    alpha_pages: tuple[int, int] | None
    host: HostUse


def check_cell(records: Sequence[Record], facts: Facts, limits: CheckSettings) -> list[Check]:
    """All checks, those that hold too. Where alpha was not started, nothing was to be pushed out."""
    ticks = [record for record in records if isinstance(record, Tick)]
    stop = next((record for record in records if isinstance(record, Stop)), None)
    pressed = facts.alpha_pages is not None
    return [
        check_response(facts.response, facts.expected),
        check_ticks(ticks, stop),
        check_late(ticks, limits.sampler_late_s),
        check_sampler(stop),
        check_clock(facts.instants, limits.clock_jump_s),
        *([check_alpha(facts.alpha_pages)] if facts.alpha_pages else []),
        *([check_swapped_out(ticks, records, limits.swapped_out_mib)] if pressed else []),
        check_oom(ticks),
        check_stream(records, stop),
        check_host(facts.host, limits),
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


def check_late(ticks: Sequence[Tick], most_s: float) -> Check:
    """No tick was taken much later than it was due."""
    late = max((tick.late_us for tick in ticks), default=0) / 1e6
    return Check("sampler-late", late <= most_s, f"a tick {late:.3f} s late at most, {most_s:g} s allowed")


def check_clock(instants: Sequence[tuple[float, float]], most_s: float) -> Check:
    """Between any two steps as much time went by in the guest as on the host: its clock neither jumped nor stood."""
    jump = max(
        (abs((guest - before[1]) - (host - before[0])) for before, (host, guest) in pairwise(instants)),
        default=math.inf,
    )
    return Check(
        "clock", jump <= most_s, f"guest and host differ by {jump:.3f} s between two steps, {most_s:g} allowed"
    )


def check_alpha(pages: tuple[int, int]) -> Check:
    """Program alpha has written every page that it was to write."""
    written, wanted = pages
    return Check("alpha", written >= wanted, f"{written} pages written by alpha, {wanted} wanted")


def check_host(use: HostUse, limits: CheckSettings) -> Check:
    """The host had its processors for the guest, and did not swap."""
    calm = use.steal_share <= limits.steal_share and use.others_share <= limits.others_share
    detail = (
        f"of the host's processors {use.steal_share:.0%} stolen ({limits.steal_share:.0%} allowed), "
        f"{use.others_share:.0%} used by others ({limits.others_share:.0%}); the host swapped {use.swapped_pages} pages"
    )
    return Check("host", calm and use.swapped_pages == 0, detail)


def check_sampler(stop: Stop | None) -> Check:
    """The sampler disturbed nothing and was not disturbed: it took no major fault itself."""
    faults = stop.own.majflt if stop else -1
    return Check("sampler-faults", faults == 0, f"{faults} major faults of the sampler")


def check_swapped_out(ticks: Sequence[Tick], records: Sequence[Record], least_mib: float) -> Check:
    """Enough of service A was in swap when the request was sent: otherwise nothing was tested."""
    sent = next((record.t for record in records if isinstance(record, Mark) and record.name == "request"), None)
    before = [tick for tick in ticks if sent is not None and tick.t <= sent]
    group = before[-1].groups.get(MEASURED) if before else None
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
