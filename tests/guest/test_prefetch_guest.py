"""The prefetcher under stress, each test in a fresh fork of the warm lxc snapshot of the project's cache."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from short_run import FORKS, prepare_forks

from configuration.load import load
from experiment.bench.rig import CGROUPS, LOOK_S, PLACE, UNIT, Container, Rig, open_rig, programs
from experiment.building.prepare import Prepared
from testbed.errors import GuestError
from testbed.process import PROJECT
from testbed.ssh.shell import File
from workloads.request import request

pytestmark = FORKS

SETTINGS = load(PROJECT / "experiments.toml")
PACKAGED = PROJECT / "prefetch" / "packaging" / "prefetchd.service"
MIB = 1024 * 1024
ALL = "storm=storm/*"  # every container of the rig is a group of its own
FAST = ("--quiet-ms", "300", "--settle-ms", "600")
STATE = ("--state", f"{PLACE}/state")

# Every tenth wakes now and then; all are pushed out while they live, and killed in the middle of whatever they do.
BIRTHS = """
cd $1
kill_one() {
    echo 1 > c-$1/cgroup.kill
    until rmdir c-$1; do sleep 0.01; done
}
for i in $(seq $2); do
    mkdir c-$i
    program='exec sleep 1000'
    [ $((i % 10)) = 0 ] && program='while sleep 0.1; do :; done'
    (echo 0 > c-$i/cgroup.procs; exec sh -c "$program") &
    [ $i -gt 4 ] && echo 1M > c-$((i - 4))/memory.reclaim
    [ $i -gt 8 ] && kill_one $((i - 8))
done
for i in $(seq $(($2 - 7)) $2); do kill_one $i; done
"""
# Awake in the background, and killed as soon as its memory is held.
KILL_HOLDER = """
place=$1 name=$2 cgroup=$3 pid=$4 command=$5
before=$(cat $cgroup/memory.min)
(echo "$command" > $place/$name.in; cat $place/$name.out) < /dev/null > /dev/null 2>&1 &
for _ in $(seq 500); do
    [ $(cat $cgroup/memory.min) != $before ] && break
    sleep 0.01
done
kill -9 $pid
cat $cgroup/memory.min
wait
"""
AT_ONCE = """
place=$1 name=$2 command=$3
shift 3
(echo "$command" > $place/$name.in; cat $place/$name.out) < /dev/null > $place/$name.answer 2>&1 &
for _ in $(seq 500); do
    case "$($place/prefetchctl --socket $place/socket status --json storm/$name)" in *'"active":true'*) break; esac
    sleep 0.02
done
"$@" || exit
wait
cat $place/$name.answer
"""


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare_forks()


@pytest.fixture
def rig(prepared: Prepared, tmp_path: Path) -> Iterator[Rig]:
    with open_rig(SETTINGS, prepared, tmp_path) as rig:
        yield rig
        print(rig.shell.run("journalctl", "--unit", UNIT, "--output", "cat", "--lines", "50", check=False))


def alive(rig: Rig, pid: int) -> bool:
    """It is the same process, and answers."""
    return bool(rig.status()["pid"] == pid) and rig.shell.run("systemctl", "is-active", UNIT).strip() == "active"


def held(rig: Rig, pid: int) -> dict[str, int]:
    """Descriptors, inotify watches and pool of prefetchd."""
    descriptors = f"ls /proc/{pid}/fd | wc -l; cat /proc/{pid}/fdinfo/* | grep -c ^inotify"
    fds, watches = rig.shell.run("sh", "-c", descriptors).split()
    return {"fds": int(fds), "watches": int(watches), "pool": int(rig.status()["pool_used_bytes"])}


def last(events: list[dict[str, object]]) -> dict[str, object]:
    assert events
    return events[-1]


def number(event: dict[str, object], key: str) -> int:
    value = event[key]
    assert isinstance(value, int)
    return value


def issued(rig: Rig, container: Container, command: str) -> dict[str, object]:
    """The issue event of the activation that ``command`` causes."""
    rig.learn(container, f"storm/{container.name}", command)
    return last(rig.events("issue", f"storm/{container.name}"))


def test_containers_are_born_and_killed_by_the_hundred(rig: Rig) -> None:
    rig.shell.run("mkdir", f"{CGROUPS}/c-0")
    rig.shell.run("rmdir", f"{CGROUPS}/c-0")
    rig.start("--group", ALL, "--policy", "working-set", *STATE, "--burst", "1", "--quiet-ms", "100")
    pid = int(rig.status()["pid"])
    before, memory = held(rig, pid), rig.memory_kib()["VmRSS"]
    rig.shell.run("sh", "-c", BIRTHS, "sh", CGROUPS, "200", check=False)
    deadline = time.monotonic() + 20
    while rig.status()["groups"] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert alive(rig, pid)
    assert rig.status()["groups"] == []
    came, went = len(rig.events("group")), len(rig.events("gone"))
    assert came == went >= 100
    assert rig.events("trigger"), "some were awake when they were killed"
    assert held(rig, pid) == before
    assert rig.memory_kib()["VmRSS"] <= memory + 512


def test_a_storm_of_processes(rig: Rig) -> None:
    container = rig.container("a", 48)
    rig.start("--group", ALL, "--policy", "working-set", *FAST)
    pid = int(rig.status()["pid"])
    rig.learn(container, "storm/a", "touch 0 12288 1")
    # A second toucher in the same container forks; the first is pushed out and woken meanwhile.
    forker = rig.container("forker", 1)
    rig.shell.run("sh", "-c", f"cat {forker.cgroup}/cgroup.procs > {container.cgroup}/cgroup.procs")
    tell = f"(echo fork 3000 > {PLACE}/forker.in; cat {PLACE}/forker.out) < /dev/null > {PLACE}/forked 2>&1 &"
    used, begin = rig.cpu_us(), float(rig.shell.run("cat", "/proc/uptime").split()[0])
    rig.shell.run("sh", "-c", tell)
    rounds = 0
    while not rig.shell.run("cat", f"{PLACE}/forked"):
        container.push_out(4 * MIB)
        time.sleep(1.5)
        container.tell("touch 0 12288 1")
        rounds += 1
    elapsed = float(rig.shell.run("cat", "/proc/uptime").split()[0]) - begin
    share = (rig.cpu_us() - used) / 1e6 / elapsed
    print(f"{rounds} rounds, {share:.1%} of a core over {elapsed:.1f} s, {rig.group('storm/a')}")
    assert rounds >= 2
    assert alive(rig, pid)
    assert share < 0.5
    rig.settled("storm/a", 2)
    assert number(issued(rig, container, "touch 0 12288 1"), "pages") > 6000


def test_what_was_held_and_learnt_outlives_kill_9(rig: Rig) -> None:
    container = rig.container("a", 128)
    container.write("memory.min", str(4 * MIB))
    options = ("--group", ALL, "--policy", "working-set", *STATE, *FAST)
    rig.start(*options)
    pages = 128 * 256
    rig.learn(container, "storm/a", f"touch 0 {pages} 1")
    container.push_out(8 * MIB)
    rig.ready("storm/a")
    words = (PLACE, "a", container.cgroup, str(rig.status()["pid"]), f"touch 0 {pages} 1")
    assert int(rig.shell.run("sh", "-c", KILL_HOLDER, "sh", *words)) > 4 * MIB, "killed while it held"
    rig.start(*options)
    assert container.read("memory.min") == str(4 * MIB)
    learnt = rig.group("storm/a")
    assert learnt["activations"] == 0
    assert learnt["set_pages"] >= pages // 2
    container.write("memory.min", "0")
    assert number(issued(rig, container, f"touch 0 {pages} 1"), "pages") >= pages // 2


def test_damaged_sets_are_told_and_ignored(rig: Rig) -> None:
    container = rig.container("a", 8)
    options = ("--group", ALL, "--policy", "working-set", *STATE, *FAST)
    rig.start(*options)
    rig.learn(container, "storm/a", "touch 0 2048 1")
    rig.stop()
    path = f"{PLACE}/state/storm%2Fa.set"
    whole = base64.b64decode(rig.shell.run("base64", path))
    assert len(whole) > 1000 * 16
    damaged = [whole[:length] for length in (0, 300, len(whole) // 2, len(whole) - 1)]
    for at in (9, len(whole) // 2):
        damaged.append(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
    for number_of, content in enumerate([*damaged, whole]):
        rig.shell.run("rm", "-f", f"{PLACE}/events")
        rig.shell.put([File(path, content, 0o600)])
        rig.start(*options)
        complaints = [str(event["text"]) for event in rig.events("warning") if path in str(event["text"])]
        known = rig.group("storm/a")["set_pages"]
        rig.stop()
        if content is whole:
            assert (complaints, known > 0) == ([], True)
        else:
            assert (len(complaints), known) == (1, 0), f"variant {number_of}: {complaints}"
            assert "is ignored" in complaints[0]


def test_a_prefetch_stays_below_memory_max(rig: Rig) -> None:
    container = rig.container("a", 150)
    rig.start("--group", ALL, *FAST)
    pages = 150 * 256
    rig.learn(container, "storm/a", f"touch 0 {pages} 1")
    times = {}
    for policy in ("off", "working-set"):
        rig.ask("policy", policy)
        container.push_out()
        container.write("memory.max", str(60 * MIB))
        before = rig.ready("storm/a")["activations"]
        times[policy] = container.tell(f"touch 0 {50 * 256} 1")
        rig.settled("storm/a", before + 1)
        counters = dict(line.split() for line in container.read("memory.events").splitlines())
        assert counters["oom_kill"] == "0", counters
        container.write("memory.max", "max")
    print(times)
    issue = last(rig.events("issue", "storm/a"))
    assert issue["policy"] == "working-set"
    assert issue["stopped"] == "headroom"
    assert 0 < number(issue, "pages") <= 60 * 256
    assert number(issue, "planned_pages") >= pages // 2


def test_programs_and_a_container_are_told_apart_though_the_kernel_mixes_their_faults(rig: Rig) -> None:
    """Samples of one fault have the id of one event (kernel/events/core.c, perf_prepare_sample)."""
    container = rig.container("a", 32)
    names = ("--group", "touchers=comm:toucher", "--group", "others=comm:apache2,mariadbd")
    rig.start(*names, "--group", ALL, *STATE, *FAST)
    container.push_out()
    rig.ready("touchers")
    majors = container.tell("touch 0 8192 1").majflt
    for group in ("touchers", "storm/a"):
        (outcome,) = rig.settled(group, 1)["last"]
        assert number(outcome, "majors") == pytest.approx(majors, rel=0.05), group
    assert rig.group("others")["activations"] == 0


def test_more_groups_of_programs_watch_no_more(rig: Rig) -> None:
    """Each is told of every fault of the system: through the same events, or the rings would be full of records."""
    container = rig.container("a", 32)
    watched = {}
    for count in (1, 8):
        others = [word for i in range(1, count) for word in ("--group", f"other-{i}=comm:other-{i}")]
        rig.start("--group", "touchers=comm:toucher", *others, *FAST)
        container.push_out()
        rig.ready("touchers")
        majors = container.tell("touch 0 8192 1").majflt
        (outcome,) = rig.settled("touchers", 1)["last"]
        assert number(outcome, "majors") == pytest.approx(majors, rel=0.05)
        status = rig.status()
        assert status["faults_lost"] == 0
        events = "ls -l /proc/$1/fd | grep -c perf_event"
        watched[count] = int(rig.shell.run("sh", "-c", events, "sh", str(status["pid"])))
        rig.stop()
    assert watched[8] == watched[1]


def test_policies_are_switched_while_it_runs(rig: Rig) -> None:
    container, other = rig.container("a", 32), rig.container("b", 16)
    rig.start("--group", ALL, *STATE, *FAST)
    with pytest.raises(GuestError, match="no activation"):
        rig.ask("trace", "storm/a", f"{PLACE}/a.trace")
    rig.learn(container, "storm/a", "touch 0 8192 1")
    rig.learn(other, "storm/b", "touch 0 4096 1")
    assert "a.trace" in rig.ask("trace", "storm/a", f"{PLACE}/a.trace")
    assert not rig.events("issue")
    other.push_out()
    for policy in ("working-set", "siblings", "same-process", "container", "other-container"):
        rig.ask("policy", policy)
        assert rig.status()["policy"] == policy
        pages = number(issued(rig, container, "touch 0 8192 1"), "pages")
        print(policy, pages)
        # The only process has no siblings; the other container's set is half as large.
        least, most = {"siblings": (0, 0), "other-container": (2000, 6000)}.get(policy, (5000, 9000))
        assert least <= pages <= most, policy
    judged = {outcome["policy"]: outcome for outcome in rig.group("storm/a")["last"]}
    assert judged["container"]["precision_percent"] >= 80
    assert judged["container"]["coverage_percent"] >= 80
    assert judged["other-container"]["precision_percent"] == 0
    rig.ask("forget", "storm/a")
    assert rig.group("storm/a")["set_pages"] == 0
    rig.ask("policy", "oracle", f"{PLACE}/a.trace")
    traced = issued(rig, container, "touch 0 8192 1")
    assert traced["policy"] == "oracle"
    assert number(traced, "pages") > 5000


@pytest.mark.parametrize("policy", ["oracle", "other-container"])
def test_what_is_being_issued_vanishes(rig: Rig, policy: str) -> None:
    """The oracle's set by a switch of the policy, another container's with that container."""
    for name in ("a", "b"):
        rig.shell.run("dd", "if=/dev/urandom", f"of={PLACE}/{name}.file", "bs=1M", "count=24")
    # The containers' own pages, not those of the session that wrote them.
    rig.shell.run("sh", "-c", "sync; echo 3 > /proc/sys/vm/drop_caches")
    container, other = (rig.container(name, 24, f"{PLACE}/{name}.file") for name in ("a", "b"))
    rig.start("--group", ALL, *FAST, "--settle-ms", "1500")
    pid = int(rig.status()["pid"])
    scattered = "touch 0 192 32"  # or reading ahead would leave too few faults
    rig.learn(container, "storm/a", scattered)
    if policy == "other-container":
        rig.learn(other, "storm/b", scattered)
    rig.ask("trace", "storm/a", f"{PLACE}/a.trace")
    rig.ask("policy", policy, *([f"{PLACE}/a.trace"] if policy == "oracle" else []))
    container.push_out()
    other.push_out()
    before = rig.ready("storm/a")["activations"]
    rig.ready("storm/b")
    kill = f"echo 1 > {other.cgroup}/cgroup.kill; until rmdir {other.cgroup}; do sleep 0.01; done 2> /dev/null"
    switch = [f"{PLACE}/prefetchctl", "--socket", f"{PLACE}/socket", "policy", "off"]
    words = switch if policy == "oracle" else ["sh", "-c", kill]
    rig.shell.run("sh", "-c", AT_ONCE, "sh", PLACE, "a", scattered, *words)
    rig.settled("storm/a", before + 1)
    assert alive(rig, pid)
    assert number(last(rig.events("issue", "storm/a")), "file_pages") > 0


def test_a_missing_right_is_named(rig: Rig) -> None:
    everything = "CAP_PERFMON CAP_SYS_NICE CAP_SYS_PTRACE CAP_SYS_ADMIN CAP_DAC_OVERRIDE CAP_IPC_LOCK"
    daemon = f"{PLACE}/prefetchd --config /dev/null --group {ALL} --socket {PLACE}/socket"
    cases = [("CAP_PERFMON CAP_SYS_ADMIN", "CAP_PERFMON"), ("CAP_SYS_NICE CAP_SYS_ADMIN", "CAP_SYS_NICE")]
    for missing, named in cases:
        kept = " ".join(set(everything.split()) - set(missing.split()))
        script = f'systemd-run --quiet --wait --pipe -p "CapabilityBoundingSet={kept}" {daemon} 2>&1; echo exit $?'
        said = rig.shell.run("sh", "-c", script)
        *_, complaint, code = said.splitlines()
        assert (code, named in complaint) == ("exit 3", True), said


def test_a_wake_goes_before_the_request(rig: Rig) -> None:
    container = rig.container("a", 32)
    rig.start("--group", ALL, "--policy", "working-set", *FAST, "--wake-ms", "4000")
    with pytest.raises(GuestError, match="no group"):
        rig.ask("wake", "storm/b")
    with pytest.raises(GuestError, match="no set yet"):
        rig.ask("wake", "storm/a")
    unprepared = rig.learn(container, "storm/a", "touch 0 8192 1")
    container.push_out()
    before = rig.ready("storm/a")
    for policy in ("off", "same-process"):
        rig.ask("policy", policy)
        with pytest.raises(GuestError, match=f"policy {policy}"):
            rig.ask("wake", "storm/a")
    rig.ask("policy", "working-set")

    rig.ask("wake", "storm/a")
    time.sleep(2)  # it would have settled three times
    assert rig.group("storm/a")["active"]
    assert int(container.read("memory.min")) > 16 * MIB
    with pytest.raises(GuestError, match="it is active"):
        rig.ask("wake", "storm/a")
    woken = container.tell("touch 0 8192 1")

    outcome = rig.settled("storm/a", before["activations"] + 1)["last"][0]
    print(unprepared, woken, outcome)
    assert woken.majflt * 20 < unprepared.majflt
    assert outcome["by"] == "wake"
    assert outcome["issued"] > 6000
    assert outcome["precision_percent"] >= 90
    assert outcome["coverage_percent"] >= 90
    assert container.read("memory.min") == "0"
    trigger = last(rig.events("trigger", "storm/a"))
    assert [trigger[key] for key in ("by", "source", "pid", "comm")] == ["wake", "control", 0, ""]


def test_a_wake_that_nobody_follows_costs_the_next_wake_and_nothing_else(rig: Rig) -> None:
    container = rig.container("a", 32)
    # One activation that does not need a page makes the set forget it.
    rig.start("--group", ALL, "--policy", "working-set", *FAST, "--wake-ms", "1000", "--keep", "1")
    rig.learn(container, "storm/a", "touch 0 4096 1")

    def wake(command: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """The group before and after."""
        container.push_out()
        before = rig.ready("storm/a")
        rig.ask("wake", "storm/a")
        if command:
            container.tell(command)
        return before, rig.settled("storm/a", before["activations"] + 1)

    before, after = wake()
    outcome = after["last"][0]
    assert outcome["by"] == "wake"
    assert outcome["issued"] > 3000
    assert outcome["precision_percent"] < 5
    assert after["set_pages"] == before["set_pages"]
    assert after["quota_wake_pages"] == outcome["issued"] // 2
    assert all(after[quota] == before[quota] for quota in ("quota_pages", "quota_leader_pages"))
    assert container.read("memory.min") == "0"

    before, after = wake()
    assert after["last"][0]["issued"] <= before["quota_wake_pages"]
    assert after["set_pages"] == before["set_pages"]

    # Followed, by a need for other pages: that is a lesson.
    wake("touch 4096 4096 1")
    record = last(rig.events("record", "storm/a"))
    assert number(record, "pages_added") > 3000
    assert number(record, "pages_aged") > 3000


def test_the_packaged_unit_has_the_rights_that_it_needs(prepared: Prepared, tmp_path: Path) -> None:
    with open_rig(SETTINGS, prepared, tmp_path, service=True) as rig:
        container = f"{CGROUPS}/../lxc.payload.service_a"
        settings = "[prefetchd]\npolicy = working-set\nstate = /var/lib/prefetchd\nsettle-ms = 2000\n"
        events = "events = /var/log/prefetchd/events\n"
        rig.shell.put([
            *programs("/usr/local/sbin"),
            File("/etc/systemd/system/prefetchd.service", PACKAGED.read_bytes()),
            File("/etc/prefetchd.conf", f"{settings}{events}[group web]\ncgroup = lxc.payload.service_a\n".encode()),
        ])  # fmt: skip
        rig.shell.run("systemctl", "daemon-reload")
        rig.start("--group", ALL)  # has the kprobe meanwhile
        rig.shell.run("systemctl", "restart", "prefetchd.service")
        control = ("/usr/local/sbin/prefetchctl", "status", "--json")

        def wait(what: str, seen: Callable[[dict[str, object]], object]) -> None:
            deadline = time.monotonic() + 60
            while not seen(group := json.loads(rig.shell.run(*control))["groups"][0]):
                assert time.monotonic() < deadline, f"{what}: {group}"
                time.sleep(0.5)

        for _ in range(2):
            rig.shell.run("sh", "-c", f"echo 700M > {container}/memory.reclaim", check=False)
            time.sleep(LOOK_S)
            # the database wakes by itself, too: an activation before the request
            wait("what is absent is known", lambda group: group["fresh"] and not group["active"])
            request(rig.guest.http_port, 240)
            wait("the request's activation is over", lambda group: not group["active"])
        status = json.loads(rig.shell.run(*control))
        (group,) = status["groups"]
        said = rig.shell.run("journalctl", "--unit", "prefetchd.service", "--output", "cat", "--boot", "--lines", "20")
        print(said, rig.shell.run("cat", "/var/log/prefetchd/events"), rig.shell.run("ls", "-l", "/var/lib/prefetchd"))
        issue = [outcome for outcome in group["last"] if outcome["issued"]]
        assert issue, group
        assert group["set_pages"] > 1000
        assert group["set_files"] > 0, "files of the container's users"
        assert status["entry_swap"] and status["entry_file"], "the early trigger"
        assert "web.set" in rig.shell.run("ls", "/var/lib/prefetchd").split()
