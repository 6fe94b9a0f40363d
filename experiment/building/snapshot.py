"""Warm snapshots: a guest of one image and topology, services up and warm, saved; every cell is a fork of one."""

import json
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import measure.install
import peers.install
import prefetch.install
from configuration.condition import Base
from configuration.resolved import SnapshotSettings
from experiment.condition_setup import alpha_command, containers, make_topology
from measure import journal
from measure.recording import EventStream
from measure.timeline import run_alpha
from testbed import ledger
from testbed.accelerator import Accelerator, machine_key
from testbed.cache import Cache, digest_files
from testbed.cache.checksums import identity
from testbed.connection import PREFIX, SHORT_PLACE, connect
from testbed.cpus import switch_on
from testbed.domain import TEMPLATES, Disks
from testbed.errors import CellError, GuestError, GuestLost
from testbed.guest import ALPHA_PORT, Guest, Hardware, boot
from testbed.images.image import Image
from testbed.ssh.shell import PRESSED_S, Shell
from workloads.alpha import install as alpha_install
from workloads.request import Expected, request
from workloads.services import RECIPE as SERVICE_FILES
from workloads.services import SERVICES
from workloads.topology import ALPHA, MEASURED, WORKLOADS, Topology

log = logging.getLogger(__name__)

TIMES = "times.json"  # what boot and warm-up took, for the benchmark
# memory.reclaim (kernel doc, cgroup-v2) fails when it finds less than it is asked for, as here it always does.
PUSH_OUT = """
[ -e "$1/memory.reclaim" ] || { echo "the guest's kernel has no memory.reclaim (it is older than 5.19)" >&2; exit 1; }
for round in 1 2 3; do
    echo "$2" 2> /dev/null > "$1/memory.reclaim"
done
true
"""
CONTAINER = {"plain": None, "lxc": MEASURED}
SAMPLED = (MEASURED, ALPHA)
# What the guest's state depends on besides the settings and the programs.
RECIPE = (
    Path(__file__),
    TEMPLATES / "domain.xml.j2",
    WORKLOADS / "topology.py",
    WORKLOADS / "container.conf.j2",
    *SERVICE_FILES,
    Path(alpha_install.__file__),
    Path(measure.install.__file__),
    Path(prefetch.install.__file__),
    Path(peers.install.__file__),
)
Report = Callable[[str], None]


@dataclass(frozen=True)
class Snapshot:
    """A saved guest: a folder of the cache."""

    folder: Path
    base: Base
    image: Image

    @property
    def memory(self) -> Path:
        return self.folder / "memory.save"

    @property
    def disks(self) -> Disks:
        return Disks(self.folder / "root.qcow2", self.folder / "swap.qcow2")


def inputs(cache: Cache, settings: SnapshotSettings, image: Image, accelerator: Accelerator) -> dict[str, object]:
    """Everything that a warm snapshot is made of."""
    parts = ("guest", "service_a", "service", "alpha", "bystander", "warm", "prefetcher")
    return {
        "version": 1,
        "cache": str(cache.directory),  # overlays name their backing files by absolute paths
        "image": [image.folder.name, identity(image.folder)],  # built anew its disks have other bytes
        "base": settings.base.model_dump(mode="json"),
        "prefetches": settings.prefetches,
        "accelerator": accelerator.name,
        "machine": {key: value for key, value in machine_key().items() if key in ("cpu", "qemu")},
        "before-alpha-s": settings.steps.before_alpha_s,
        "settings": {part: getattr(settings, part).model_dump(mode="json") for part in parts},
        "programs": digest_files(
            measure.install.BINARY, *prefetch.install.BINARIES, *peers.install.BINARIES, alpha_install.BINARY
        ),
        "files": digest_files(*RECIPE),
    }


def warm_snapshot(
    cache: Cache,
    settings: SnapshotSettings,
    image: Image,
    accelerator: Accelerator,
    expected: Expected,
    report: Report,
) -> Snapshot:
    """The snapshot of a base, made unless the cache has it. Raises GuestError when a step fails."""

    def build(folder: Path) -> None:
        attempts = settings.guest.attempts
        for attempt in range(1, attempts + 1):
            try:
                Warming(settings, image, accelerator, expected, report).save_into(folder)
                return
            except GuestLost as error:
                if attempt == attempts:
                    raise
                log.warning("attempt %d of %d at a warm snapshot: %s", attempt, attempts, error)

    made_of = inputs(cache, settings, image, accelerator)
    return Snapshot(cache.obtain(f"snapshot-{settings.base.name}", made_of, build), settings.base, image)


@dataclass(frozen=True)
class Warming:
    """The making of one warm snapshot."""

    settings: SnapshotSettings
    image: Image
    accelerator: Accelerator
    expected: Expected
    report: Report

    def save_into(self, folder: Path) -> None:
        limits = self.settings.limits
        hardware = Hardware(self.accelerator.name, self.settings.guest)
        with ExitStack() as stack:
            connection, sockets = stack.enter_context(connect(self.settings.testbed.libvirt_uri))
            guest = stack.enter_context(boot(connection, sockets, hardware, self.image, folder))
            stack.enter_context(guest.explained())
            scratch = stack.enter_context(ledger.folder(SHORT_PLACE, PREFIX))
            alpha = EventStream(guest.ports[ALPHA_PORT], scratch / journal.ALPHA)
            stack.callback(alpha.close)
            self.report("boot")
            begin = time.monotonic()
            guest.resume()
            shell = guest.shell(limits.boot_s)
            stack.callback(shell.close)
            wait_running(shell, limits.boot_s)
            log.info("snapshot %s: booted in %.0f s", self.settings.base.name, time.monotonic() - begin)
            topology = self._deploy(shell)
            self._start(shell, topology)
            self._warm_up(guest)
            warm_s = time.monotonic() - begin
            if self.settings.prefetches:
                # Only now: what the services read while they start is not what an activation needs.
                shell.run("systemctl", "start", prefetch.install.UNIT_NAME)
            for number in range(1, self.settings.warm.activations + 1):
                self.report(f"activation {number} of {self.settings.warm.activations}")
                self._press(guest, shell, topology, alpha, lambda: self._activate(guest))
                # One is enough to learn the bystander.
                if number == self.settings.warm.activations and topology.has_bystander:
                    self._press(guest, shell, topology, alpha, lambda: self._wake_bystander(shell, topology))
                for _ in range(self.settings.warm.idle_rounds):
                    self._press(guest, shell, topology, alpha)
            self._push_out(shell, topology)
            self.report("save")
            shell.run("sync")
            shell.close()
            guest.save(folder / "memory.save")
            times = {"warm_s": warm_s, "all_s": time.monotonic() - begin}
            (folder / TIMES).write_text(json.dumps(times))
            log.info("snapshot %s: ready after %.0f s", self.settings.base.name, times["all_s"])

    def _deploy(self, shell: Shell) -> Topology:
        self.report("deploy")
        settings = self.settings
        topology = make_topology(settings)
        command, port = alpha_command(shell, settings.alpha)
        files = [
            *SERVICES[settings.base.service].files(settings.service, settings.service_a.title),
            *alpha_install.files(),
            *topology.files(command, port),
            *measure.install.files({name: topology.cgroups[name] for name in SAMPLED}),
            *peers.install.files(),
        ]
        if self.settings.prefetches:
            files += prefetch.install.files(containers(topology), settings.prefetcher)
        shell.put(files)
        shell.run("systemctl", "daemon-reload")
        shell.run("systemctl", "start", measure.install.UNIT_NAME)
        switch_on(shell)
        return topology

    def _start(self, shell: Shell, topology: Topology) -> None:
        self.report("start service A")
        topology.start_service(shell)
        container = CONTAINER[self.settings.base.topology]
        SERVICES[self.settings.base.service].wait_ready(shell, container, self.settings.limits.service_s)
        if topology.has_bystander:
            topology.start_bystander(shell)
        time.sleep(self.settings.steps.before_alpha_s)

    def _warm_up(self, guest: Guest) -> None:
        for number in range(1, self.settings.warm.requests + 1):
            self.report(f"warm-up request {number} of {self.settings.warm.requests}")
            self._request(guest)

    def _press(
        self,
        guest: Guest,
        shell: Shell,
        topology: Topology,
        alpha: EventStream,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Alpha comes, pushes the others out, and ends; ``meanwhile`` happens in between."""
        run_alpha(shell, guest, topology, alpha, self.settings.limits.alpha_s)
        meanwhile()
        topology.stop_alpha(shell)

    def _activate(self, guest: Guest) -> None:
        time.sleep(self.settings.warm.quiet_s)
        self._request(guest)
        time.sleep(self.settings.warm.settle_s)

    def _push_out(self, shell: Shell, topology: Topology) -> None:
        """All of service A that can be reclaimed: what alpha leaves of it differs from snapshot to snapshot."""
        self.report("push service A out")
        ceiling_mib = self.settings.service_a.ceiling_mib
        shell.run("sh", "-c", PUSH_OUT, "sh", topology.cgroups[MEASURED], f"{ceiling_mib}M", timeout=PRESSED_S)

    def _wake_bystander(self, shell: Shell, topology: Topology) -> None:
        time.sleep(self.settings.warm.quiet_s)
        topology.wake_bystander(shell)
        time.sleep(self.settings.warm.settle_s)

    def _request(self, guest: Guest) -> None:
        guest.alive()
        try:
            response = request(guest.http_port, self.settings.limits.request_s)
        except CellError as error:
            raise GuestError(f"while warming up: {error}") from error
        log.info("request: first byte after %.1f s, %.1f s in all", response.first_byte_s, response.total_s)
        if not response.matches(self.expected):
            raise GuestError(f"service A answers wrongly: {response}, expected {self.expected}")


def wait_running(shell: Shell, limit: float) -> None:
    """Wait until systemd has started everything. Raises GuestError naming the units that failed."""
    state = shell.run("systemctl", "is-system-running", "--wait", timeout=limit, check=False).strip()
    if state != "running":
        failed = shell.run("systemctl", "--failed", "--plain", "--no-legend", check=False)
        raise GuestError(f"the guest is {state or 'not up'}: {failed.strip()}")
