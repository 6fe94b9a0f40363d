"""A guest to try prefetchd in: the current build, and containers that are pushed out and woken at will."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configuration.condition import LXC
from configuration.load import Configuration
from experiment.building.prepare import Prepared
from experiment.fork import fork
from prefetch.install import BINARIES, TOUCHER, stop
from testbed.errors import GuestError
from testbed.guest import Guest
from testbed.ssh.shell import File, Shell

PLACE = "/root/rig"  # in the guest
UNIT = "rig"
CGROUPS = "/sys/fs/cgroup/storm"
LOOK_S = 2.2  # prefetchd at rest looks every 2 s whether anything was reclaimed

# The snapshot's own prefetchd stays: as long as one has the kprobe, the kernel's text is not patched, which QEMU before
# 8.1 emulates wrongly with two CPUs (one guest in twenty was lost).
CLEAR = """
[ $3 = no ] && lxc-stop --name=service_a --kill
mkdir -p $1/state $2 && echo +memory +cpu > $2/cgroup.subtree_control
"""
START = """
unit=$1 place=$2
shift 2
systemctl reset-failed $unit 2> /dev/null
systemd-run --quiet --unit=$unit -p LimitMEMLOCK=infinity \\
    $place/prefetchd --socket $place/socket --events $place/events --config /dev/null "$@" || exit
for _ in $(seq 100); do
    systemctl is-active --quiet $unit || break
    $place/prefetchctl --socket $place/socket status > /dev/null 2>&1 && exit
    sleep 0.1
done
systemctl status $unit
journalctl --unit $unit --lines 5
exit 1
"""
BORN = """
place=$1 cgroup=$2 name=$3
shift 3
mkdir -p $cgroup && mkfifo $place/$name.in $place/$name.out || exit
(echo 0 > $cgroup/cgroup.procs && exec $place/toucher $place/$name "$@") < /dev/null > /dev/null 2>&1 &
cat $place/$name.out
"""
TELL = 'echo "$2" > $1.in && cat $1.out'
# Pages under writeback go in the next round.
PUSH_OUT = """
for _ in $(seq 20); do
    left=$(($(cat $1/memory.current) - $2))
    [ $left -le 0 ] && exit
    echo $left > $1/memory.reclaim
    sleep 0.1
done 2> /dev/null
cat $1/memory.current >&2
exit 1
"""


@dataclass(frozen=True)
class Touched:
    """What a command cost the toucher."""

    seconds: float
    majflt: int
    minflt: int


@dataclass(frozen=True)
class Container:
    """A cgroup with a toucher in it."""

    shell: Shell
    name: str

    @property
    def cgroup(self) -> str:
        return f"{CGROUPS}/{self.name}"

    def tell(self, command: str) -> Touched:
        return Touched(**json.loads(self.shell.run("sh", "-c", TELL, "sh", f"{PLACE}/{self.name}", command)))

    def push_out(self, left: int = 1024 * 1024) -> None:
        """All but ``left`` bytes. Raises GuestError with what stays instead."""
        self.shell.run("sh", "-c", PUSH_OUT, "sh", self.cgroup, str(left))

    def read(self, name: str) -> str:
        return self.shell.run("cat", f"{self.cgroup}/{name}").strip()

    def write(self, name: str, value: str) -> None:
        self.shell.run("sh", "-c", 'echo "$2" > "$1"', "sh", f"{self.cgroup}/{name}", value)


@dataclass(frozen=True)
class Rig:
    """A guest with the current build in PLACE, where the installed prefetcher does not run."""

    guest: Guest
    shell: Shell

    def container(self, name: str, mib: int, file: str = "") -> Container:
        """Of a toucher of anonymous memory, or of ``file``."""
        made = Container(self.shell, name)
        self.shell.run("sh", "-c", BORN, "sh", PLACE, made.cgroup, name, str(mib), *([file] if file else []))
        return made

    def start(self, *options: str) -> None:
        """Raises GuestError with what the journal has of it unless prefetchd answers."""
        self.shell.run("sh", "-c", START, "sh", UNIT, PLACE, *options)

    def stop(self) -> None:
        stop(self.shell, UNIT)

    def ask(self, *words: str) -> str:
        return self.shell.run(f"{PLACE}/prefetchctl", "--socket", f"{PLACE}/socket", *words)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("status", "--json"))
        return found

    def group(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("status", "--json", name))["groups"][0]
        return found

    def events(self, name: str, group: str | None = None) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.shell.run("cat", f"{PLACE}/events").splitlines()]
        return [e for e in lines if e["event"] == name and group in (None, e.get("group"))]

    def cpu_us(self) -> int:
        text = self.shell.run("cat", f"/sys/fs/cgroup/system.slice/{UNIT}.service/cpu.stat")
        return int(text.split()[1])

    def memory_kib(self) -> dict[str, int]:
        """VmRSS, VmHWM and the like of prefetchd."""
        text = self.shell.run("cat", f"/proc/{self.status()['pid']}/status")
        fields = [line.split() for line in text.splitlines() if line.startswith("Vm")]
        return {words[0].rstrip(":"): int(words[1]) for words in fields}

    def ready(self, group: str, limit: float = 60) -> dict[str, Any]:
        """Once what is absent by now is known, and the plan made."""
        time.sleep(LOOK_S)
        return self._wait(group, lambda g: g["fresh"] and not g["active"], limit, "is ready")

    def settled(self, group: str, activations: int, limit: float = 60) -> dict[str, Any]:
        """Once so many activations are over."""
        return self._wait(group, lambda g: not g["active"] and g["activations"] >= activations, limit, "has settled")

    def learn(self, container: Container, group: str, command: str) -> Touched:
        """An activation from its beginning to its end."""
        container.push_out()
        before = self.ready(group)["activations"]
        touched = container.tell(command)
        self.settled(group, before + 1)
        return touched

    def _wait(self, group: str, seen: Callable[[dict[str, Any]], bool], limit: float, what: str) -> dict[str, Any]:
        deadline = time.monotonic() + limit
        while not seen(found := self.group(group)):
            if time.monotonic() > deadline:
                raise GuestError(f"{group} {what}: not within {limit:.0f} s: {found}")
            time.sleep(0.1)
        return found


def programs(folder: str) -> list[File]:
    """prefetchd and prefetchctl for a folder of the guest."""
    return [File(f"{folder}/{path.name}", path.read_bytes(), 0o755) for path in BINARIES]


@contextmanager
def open_rig(configuration: Configuration, prepared: Prepared, folder: Path, service: bool = False) -> Iterator[Rig]:
    """A rig in a fresh fork, whose overlays are made in ``folder``; with service A or without."""
    snapshot = prepared.snapshots[LXC.name]
    with fork(configuration.for_base(LXC), snapshot, folder) as (guest, shell):
        shell.put([File(f"{PLACE}/toucher", TOUCHER.read_bytes(), 0o755), *programs(PLACE)])
        shell.run("sh", "-c", CLEAR, "sh", PLACE, CGROUPS, "yes" if service else "no")
        yield Rig(guest, shell)
