"""A condition's settings, brought into a restored guest, and what they have come to at the end."""

import time

import peers.install
import peers.swap
import prefetch.install
from configuration.condition import Condition
from configuration.resolved import CellSettings, SnapshotSettings
from measure.journal import Advance
from measure.recording import EventStream
from testbed.kernel_files import PAIRS, refuse_unsupported
from testbed.ssh.shell import Shell
from workloads.alpha import install as alpha_install
from workloads.alpha.settings import AlphaSettings
from workloads.topology import ALPHA, MEASURED, TOPOLOGIES, Topology

# One command, because each costs an emulated guest a tenth of a second: the clock, then pairs of file and value.
SET = f"""{PAIRS}
date --set "$1" > /dev/null || exit
shift
known "$@"
put "$@"
"""
# Bytes that the mechanism holds besides service A's: the resident sets of its programs, and zram's pool.
HELD = """
total=0
for pid in $(pidof prefetchd peerd); do
    total=$((total + $(sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/$pid/status) * 1024))
done
for pool in /sys/block/zram*/mm_stat; do
    [ -e $pool ] && read -r original compressed used rest < $pool && total=$((total + used))
done
echo $total
"""


def make_topology(settings: SnapshotSettings) -> Topology:
    alpha = settings.alpha
    return TOPOLOGIES[settings.base.topology](
        settings.service_a.ceiling_mib,
        alpha.size_mib + alpha.ceiling_extra_mib,
        settings.base.service,
        settings.bystander.size_mib,
    )


def watched(settings: CellSettings) -> dict[str, str]:
    """What the prefetcher watches: name -> SPEC of ``prefetchd --help``."""
    if settings.condition.groups == "programs":
        return {comm: f"comm:{comm}" for comm, role in settings.roles.items() if role != "alpha"}
    return containers(make_topology(settings))


def containers(topology: Topology) -> dict[str, str]:
    """Those that the prefetcher watches, with their cgroups' folders: all but alpha's."""
    return {name: folder for name, folder in topology.cgroups.items() if name != ALPHA}


def alpha_command(shell: Shell, alpha: AlphaSettings) -> tuple[list[str], str]:
    """alpha's words, and the device that it writes its events to."""
    port = alpha_install.port(shell)
    return alpha_install.command(alpha, port), port


def set_up(shell: Shell, settings: CellSettings) -> None:
    """The guest's clock, and what must be set before alpha comes. Raises Unsupported, GuestError."""
    condition = settings.condition
    words = [word for pair in condition.guest.items() for word in pair]
    refuse_unsupported(shell.run("sh", "-c", SET, "sh", f"@{time.time():.3f}", *words))
    other = condition.policy == "none" or condition.groups == "programs" or condition.prefetchd
    # What swapoff brings in is not what an activation needs: prefetchd is not there to learn it.
    leaves = settings.prefetches and (other or condition.renews_swap)
    if leaves:
        prefetch.install.stop(shell)
    if condition.renews_swap:
        peers.swap.renew(shell, condition.swap, settings.guest.swap_mib, condition.before_swapon)
    if leaves and condition.policy != "none":
        groups = watched(settings)
        prefetch.install.start(shell, groups, settings.prefetcher, condition.prefetchd)
    if condition.alpha_mib is not None:
        topology = make_topology(settings)
        shell.put([topology.alpha_file(*alpha_command(shell, settings.alpha))])
        shell.run("systemctl", "daemon-reload")


def arm(shell: Shell, condition: Condition, cgroup: str, trace: bytes) -> None:
    """Set the prefetcher's policy and what else is to happen by itself.

    ``cgroup``: service A's folder; ``trace``: the set file of policy oracle, of no other.
    """
    if condition.policy == "oracle":
        prefetch.install.put_trace(shell, trace)
        prefetch.install.set_policy(shell, condition.policy, prefetch.install.TRACE)
    elif condition.policy != "none":
        prefetch.install.set_policy(shell, condition.policy)
    if condition.peer == "own-madvise":
        peers.install.switch_on_madvise(shell)
    elif condition.peer == "damon":
        peers.install.start_damon(shell, cgroup)
    if condition.advance:
        peers.install.start_peerd(shell, condition.advance.action, *arguments(condition.advance.action, cgroup))


def arguments(action: str, cgroup: str) -> tuple[str, ...]:
    """Of peerd's action."""
    return {
        "swap-cycle": (peers.swap.DISK,),
        "read-memory": (cgroup,),
        "wake": (prefetch.install.SOCKET, MEASURED),
    }[action]


def mechanism(shell: Shell, condition: Condition) -> dict[str, int]:
    """``memory_bytes``: held besides service A's memory. ``advised_bytes``: by DAMON."""
    found = {"memory_bytes": int(shell.run("sh", "-c", HELD))}
    if condition.peer == "damon":
        found["advised_bytes"] = peers.install.damon_advised(shell)
    return found


def advances(peer: EventStream) -> list[Advance]:
    """What peerd did in advance of the request, by its own words; one that it has not ended is not ok."""
    ended = peer.events("done")
    found = []
    for number, begun in enumerate(peer.events("begin")):
        end = ended[number] if number < len(ended) else {"detail": "not done by the end of the recording"}
        found.append(
            Advance(
                action=begun.get("action"),
                t_begin=begun.get("t"),
                t_end=end.get("t"),
                ok=end.get("ok") is True,
                pages=end.get("pages"),
                detail=end.get("detail", ""),
            )
        )
    return found
