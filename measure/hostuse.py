"""What the host did while a cell was measured: /proc/stat and /proc/vmstat (proc(5)), and the guest's CPU time."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
# user, nice, system, irq, softirq of /proc/stat's first line; idle and iowait are not busy, guest is within user.
BUSY, STEAL = (0, 1, 2, 5, 6), 7


@dataclass(frozen=True)
class Reading:
    """``busy_s``, ``steal_s``: processor seconds of all CPUs since boot; ``swapped``: pages in and out since boot.

    ``own_s``: of the guest and of this process.
    """

    t: float
    cpus: int
    busy_s: float
    steal_s: float
    swapped: int
    own_s: float


@dataclass(frozen=True)
class HostUse:
    """Between two readings. Shares of all the host's CPUs: taken away by its hypervisor, used by other processes."""

    seconds: float
    steal_share: float
    others_share: float
    swapped_pages: int


def read(guest_cpu_s: float, proc: Path = PROC) -> Reading:
    """``guest_cpu_s``: CPU seconds that the guest's QEMU has used."""
    stat = (proc / "stat").read_text().splitlines()
    values = [int(word) for word in stat[0].split()[1:]]
    vmstat = dict(line.split()[:2] for line in (proc / "vmstat").read_text().splitlines())
    own = os.times()
    return Reading(
        t=time.monotonic(),
        cpus=sum(line.startswith("cpu") for line in stat) - 1,
        busy_s=sum(values[index] for index in BUSY) / TICKS,
        steal_s=values[STEAL] / TICKS,
        swapped=int(vmstat.get("pswpin", 0)) + int(vmstat.get("pswpout", 0)),
        own_s=guest_cpu_s + own.user + own.system,
    )


def between(first: Reading, last: Reading) -> HostUse:
    whole = (last.t - first.t) * first.cpus
    others = (last.busy_s - first.busy_s) - (last.own_s - first.own_s)
    return HostUse(
        seconds=round(last.t - first.t, 3),
        steal_share=round((last.steal_s - first.steal_s) / whole, 4),
        others_share=round(max(0.0, others) / whole, 4),
        swapped_pages=last.swapped - first.swapped,
    )
