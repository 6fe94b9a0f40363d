"""What the prefetcher costs: at rest with many idle containers, and next to one that never uses what it is given."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from analysis.estimates.statistics import Estimate, estimate, ratio_of_medians
from configuration.bars import Intervals
from configuration.condition import LXC
from configuration.load import Configuration
from experiment.bench.rig import CGROUPS, PLACE, UNIT, Container, Rig, Touched, open_rig
from experiment.building.prepare import Prepared, prepare
from experiment.progress import Progress, clock
from experiment.terminal.table import show, table_of
from testbed import ledger
from testbed.cache import Cache
from testbed.errors import GuestError, GuestLost
from testbed.files.plain import write_text

IDLE = 50  # containers at rest
BEFORE_REST_S = 70.0  # prefetchd looks around less often when there was nothing for a minute
REST_S = 120.0
WAKES = 5  # of the adversary in a round ...
WAKE_S = 4.0  # ... so far apart: just more than prefetchd needs to be ready again
LEARNT_MIB = 256  # what the adversary has taught prefetchd that it needs
SPAN_MIB = 20  # what it touches instead, in a round: a few pages of these, never the same again
FEW, STRIDE = 16, 64  # pages, so far apart that reading ahead brings none of the others
PAIR_S = 110.0  # under emulation
MOST_LOST = 4  # QEMU before 8.1 loses one now and then where prefetchd comes and goes often
APART = 16  # pages between those of one round and those of another
TURNS = STRIDE // APART
NEIGHBOUR_SHARE = 0.84  # of all memory: with the system's own a little too much, so that it is under pressure
SETTLE_MS = 2000
POOL_MIB = 32  # so that the set is never too large for prefetchd: its worst is to be seen
ADVERSARY, NEIGHBOUR = "a", "b"

SLEEPERS = """
for i in $(seq $2); do
    mkdir -p $1/rest-$i || exit
    (echo 0 > $1/rest-$i/cgroup.procs && exec sleep 1000000) < /dev/null > /dev/null 2>&1 &
done
"""
END_SLEEPERS = """
for cgroup in $1/rest-*; do
    echo 1 > $cgroup/cgroup.kill
    until rmdir $cgroup 2> /dev/null; do sleep 0.05; done
done
"""
AT_REST = """
read before _ < /proc/uptime
used=$(sed -n 's/usage_usec //p' $1)
sleep $2
read after _ < /proc/uptime
echo "$before $after $used $(sed -n 's/usage_usec //p' $1)"
"""
# The wakes are timed in the guest. A line for each of them, and then the neighbour's.
ROUND = """
place=$1 passes=$2 wakes=$3 apart=$4 first=$5 few=$6 stride=$7
(echo "sum $passes" > $place/b.in; cat $place/b.out > $place/b.answer) &
for i in $(seq $wakes); do
    echo "touch $first $few $stride" > $place/a.in
    cat $place/a.out
    first=$((first + few * stride))
    sleep $apart
done
wait
cat $place/b.answer
"""


@dataclass(frozen=True)
class Rest:
    """prefetchd beside containers in which nothing happens."""

    containers: int
    seconds: float
    cpu_us: int
    cpu_share: float  # of one core
    rss_kib: int
    most_rss_kib: int


@dataclass(frozen=True)
class Round:
    """The neighbour's work while the adversary is woken again and again.

    ``wakes``: major faults of each wake. ``quota_pages``, ``issued_pages``: of each activation that was given pages.
    """

    policy: str
    seconds: float
    majors: int
    wakes: tuple[int, ...]
    quota_pages: tuple[int, ...]
    issued_pages: tuple[int, ...]


@dataclass(frozen=True)
class Adversary:
    """``ratio``: of the median times of the neighbour, working-set / off."""

    set_pages: int
    wakes: int
    neighbour_mib: int
    passes: int
    lost: int  # guests on the way
    rounds: tuple[Round, ...]
    ratio: Estimate


def measure_rest(rig: Rig, containers: int = IDLE, seconds: float = REST_S) -> Rest:
    """CPU and memory of prefetchd, once it has looked at every container."""
    rig.shell.run("sh", "-c", SLEEPERS, "sh", CGROUPS, str(containers))
    rig.start("--group", "rest=storm/rest-*", "--policy", "working-set")
    for number in range(containers, 0, -1):
        rig.settled(f"rest/rest-{number}", 0)
    time.sleep(BEFORE_REST_S)
    usage = f"/sys/fs/cgroup/system.slice/{UNIT}.service/cpu.stat"
    said = rig.shell.run("sh", "-c", AT_REST, "sh", usage, f"{seconds:.0f}", timeout=4 * seconds + 60)
    before, after, used_before, used_after = said.split()
    elapsed, cpu_us = float(after) - float(before), int(used_after) - int(used_before)
    memory = rig.memory_kib()
    rig.stop()
    rig.shell.run("sh", "-c", END_SLEEPERS, "sh", CGROUPS)
    return Rest(containers, elapsed, cpu_us, cpu_us / 1e6 / elapsed, memory["VmRSS"], memory["VmHWM"])


@dataclass(frozen=True)
class Scene:
    """A fork in which prefetchd has learnt what it will give the adversary for nothing, and a neighbour is there."""

    rig: Rig
    adversary: Container
    neighbour: Container
    neighbour_mib: int
    set_pages: int


def measure_adversary(
    fork: Callable[[], AbstractContextManager[Rig]], settings: Intervals, pairs: int, report: Callable[[str], None]
) -> Adversary:
    """``pairs`` rounds of each policy, in alternating order. Where a guest is lost, the rest is done in another."""
    rounds: list[Round] = []
    passes = 0
    lost = 0
    while len(rounds) < 2 * pairs:
        try:
            with fork() as rig:
                report("adversary: learns its working set")
                scene = set_up(rig, spare_mib(2 * pairs))
                passes = passes or math.ceil(WAKES * WAKE_S / scene.neighbour.tell("sum 1").seconds)
                while len(rounds) < 2 * pairs:
                    report(f"adversary: pair {len(rounds) // 2 + 1} of {pairs}, at most {clock(PAIR_S)} each")
                    rounds += run_pair(scene, passes, len(rounds))
        except GuestLost as error:
            lost += 1
            if lost == MOST_LOST:
                raise
            report(f"adversary: {error}")
    times = {policy: np.array(seconds) for policy, seconds in by_policy(rounds).items()}
    ratio = estimate([times["working-set"], times["off"]], ratio_of_medians, settings)
    return Adversary(scene.set_pages, WAKES, scene.neighbour_mib, passes, lost, tuple(rounds), ratio)


def set_up(rig: Rig, spare: int) -> Scene:
    adversary = rig.container(ADVERSARY, LEARNT_MIB + spare)
    rig.start(*options("off"))
    rig.learn(adversary, ADVERSARY, f"touch 0 {LEARNT_MIB * 256} 1")
    set_pages = int(rig.group(ADVERSARY)["set_pages"])
    rig.stop()
    rig.shell.run("cp", "-a", f"{PLACE}/state", f"{PLACE}/learnt")
    adversary.push_out()
    neighbour_mib = int(NEIGHBOUR_SHARE * memory_mib(rig))
    return Scene(rig, adversary, rig.container(NEIGHBOUR, neighbour_mib), neighbour_mib, set_pages)


def run_pair(scene: Scene, passes: int, done: int) -> list[Round]:
    """A round of each policy, in the other order than the pair before; ``done`` rounds came before them."""
    order = ("off", "working-set") if done % 4 == 0 else ("working-set", "off")
    rounds = [run_round(scene, policy, passes, first_page(done + turn)) for turn, policy in enumerate(order)]
    if not all(r.majors for r in rounds):
        raise GuestError("the neighbour was not under pressure in every round: they show nothing")
    return rounds


def memory_mib(rig: Rig) -> int:
    lines = rig.shell.run("cat", "/proc/meminfo").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:")) // 1024


def options(policy: str) -> list[str]:
    room = ["--settle-ms", str(SETTLE_MS), "--pool-mib", str(POOL_MIB)]
    return ["--group", f"{ADVERSARY}=storm/{ADVERSARY}", "--policy", policy, "--state", f"{PLACE}/state", *room]


def first_page(number: int) -> int:
    """Of the adversary's wakes in a round. Reclaim spares what was touched, so no page is touched in two rounds."""
    span, turn = divmod(number, TURNS)
    return LEARNT_MIB * 256 + span * SPAN_MIB * 256 + turn * APART


def spare_mib(rounds: int) -> int:
    """That so many rounds touch."""
    return math.ceil(rounds / TURNS) * SPAN_MIB


def run_round(scene: Scene, policy: str, passes: int, first: int) -> Round:
    """One round: prefetchd trusts the learnt set wholly, the neighbour is in memory, the adversary is not."""
    rig, adversary, neighbour = scene.rig, scene.adversary, scene.neighbour
    rig.shell.run("sh", "-c", "rm -rf $1/state $1/events; cp -a $1/learnt $1/state", "sh", PLACE)
    adversary.push_out()
    neighbour.tell("sum 1")
    rig.start(*options(policy))
    rig.ready(ADVERSARY)
    words = [PLACE, passes, WAKES, WAKE_S, first, FEW, STRIDE]
    said = rig.shell.run("sh", "-c", ROUND, "sh", *(str(word) for word in words), timeout=600)
    *wakes, answer = (Touched(**json.loads(line)) for line in said.splitlines())
    woken = tuple(wake.majflt for wake in wakes)
    if min(woken) < FEW // 2:
        raise GuestError(f"the adversary's pages were in memory: {woken} major faults at its wakes, {FEW} expected")
    rig.settled(ADVERSARY, 1)
    issues = rig.events("issue", ADVERSARY)
    rig.stop()
    if policy != "off" and not issues:
        raise GuestError("prefetchd gave the adversary nothing: this round shows nothing")
    quota = tuple(int(issue["quota_pages"]) for issue in issues)
    issued = tuple(int(issue["pages"]) for issue in issues)
    return Round(policy, answer.seconds, answer.majflt, woken, quota, issued)


def rest_rows(rest: Rest) -> list[tuple[str, str]]:
    return [
        (f"CPU at rest, {rest.containers} containers, of a core", f"{rest.cpu_share:.3%}"),
        ("memory, MiB (most)", f"{rest.rss_kib / 1024:.1f} ({rest.most_rss_kib / 1024:.1f})"),
    ]


def adversary_rows(adversary: Adversary) -> list[tuple[str, str]]:
    ratio = adversary.ratio
    rows = [
        (f"neighbour's work, {policy}, s", f"{np.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})")
        for policy, seconds in by_policy(adversary.rounds).items()
    ]
    rows.append(("working-set / off", f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}] {ratio.blocks} pairs"))
    issued = sorted(sum(r.issued_pages) for r in adversary.rounds if r.issued_pages)
    rows.append(("fetched for the adversary in a round, pages", f"{issued[0]} to {issued[-1]}"))
    first = next(r for r in adversary.rounds if r.issued_pages)
    rows.append(("at its wakes in the first of them", " ".join(map(str, first.issued_pages))))
    rows.append(("its quota at these", " ".join(map(str, first.quota_pages))))
    return rows


def table(rows: Sequence[tuple[str, str]]) -> Table:
    return table_of(("what", "value"), rows, title="prefetchd")


def by_policy(rounds: Sequence[Round]) -> Mapping[str, list[float]]:
    return {policy: [r.seconds for r in rounds if r.policy == policy] for policy in ("off", "working-set")}


def main(configuration: Configuration, cache: Cache, console: Console, pairs: int, out: Path | None) -> int:
    """Measure both, each in forks of its own, and print and keep each once it is there. Raises GuestError."""
    with Progress(console, configuration.roles, 0, 0) as progress, ledger.folder(cache.directory, "bench-") as folder:
        prepared = prepare(cache, configuration, [LXC], progress)
        progress.stage(f"prefetchd at rest: {clock(BEFORE_REST_S + REST_S)} and some")
        with open_fork(configuration, prepared, folder) as rig:
            rest = measure_rest(rig)
        keep(out, {"rest": asdict(rest)})
        show(console, table(rest_rows(rest)))
        fork = partial(open_fork, configuration, prepared, folder)
        adversary = measure_adversary(fork, configuration.bars, pairs, progress.stage)
        keep(out, {"rest": asdict(rest), "adversary": asdict(adversary)})
        show(console, table(adversary_rows(adversary)))
    return 0


@contextmanager
def open_fork(configuration: Configuration, prepared: Prepared, scratch: Path) -> Iterator[Rig]:
    with ledger.folder(scratch, "fork-") as folder, open_rig(configuration, prepared, folder) as rig:
        yield rig


def keep(out: Path | None, costs: Mapping[str, object]) -> None:
    if out:
        write_text(json.dumps(costs, indent=1) + "\n", out)
