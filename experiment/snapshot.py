"""Warm snapshots: a guest of one image and topology, services up and warm, saved; every cell is a fork of one."""

import json
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import measure.install
import prefetch.install
from experiment.config import Configuration
from measure.recording import EventStream
from testbed import ledger
from testbed.accelerator import Accelerator, machine_key
from testbed.cache import Cache, digest_files
from testbed.checksums import identity
from testbed.connection import PREFIX, SHORT_PLACE, connect
from testbed.domain import TEMPLATES, Disks
from testbed.errors import CellError, GuestError, GuestLost
from testbed.guest import ALPHA_PORT, Guest, Hardware, boot
from testbed.image import Image
from testbed.shell import Shell
from workloads.alpha import install as alpha_install
from workloads.alpha.install import Alpha
from workloads.service_a import deploy
from workloads.service_a.request import Expected, request
from workloads.topology import TOPOLOGIES, WORKLOADS, Topology

log = logging.getLogger(__name__)

TIMES = "times.json"  # what boot and warm-up took, for the benchmark
SWITCH_ON_CPUS = "for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do echo 1 > $cpu; done"
CONTAINER = {"plain": None, "lxc": "service_a"}
# What the guest's state depends on besides the settings and the programs.
RECIPE = (
    Path(__file__),
    TEMPLATES / "domain.xml.j2",
    WORKLOADS / "topology.py",
    WORKLOADS / "container.conf.j2",
    WORKLOADS / "service_a" / "files",
    Path(deploy.__file__),
    Path(alpha_install.__file__),
    Path(measure.install.__file__),
    Path(prefetch.install.__file__),
)
Report = Callable[[str], None]


@dataclass(frozen=True)
class Snapshot:
    """A saved guest: a folder of the cache."""

    folder: Path
    topology: str

    @property
    def memory(self) -> Path:
        return self.folder / "memory.save"

    @property
    def disks(self) -> Disks:
        return Disks(self.folder / "root.qcow2", self.folder / "swap.qcow2")


def make_topology(configuration: Configuration, name: str) -> Topology:
    alpha = configuration.alpha
    return TOPOLOGIES[name](configuration.service_a.ceiling_mib, alpha.size_mib + alpha.ceiling_extra_mib)


def prefetches(configuration: Configuration, topology: str) -> bool:
    """Whether a condition of this topology uses the prefetcher at all."""
    return any(c.topology == topology and c.policy != "none" for c in configuration.condition.values())


def inputs(
    cache: Cache, configuration: Configuration, image: Image, accelerator: Accelerator, topology: str
) -> dict[str, object]:
    """Everything that a warm snapshot is made of."""
    parts = ("guest", "service_a", "alpha", "warm", "prefetcher")
    return {
        "version": 1,
        "cache": str(cache.directory),  # overlays name their backing files by absolute paths
        "image": [image.folder.name, identity(image.folder)],  # built anew its disks have other bytes
        "topology": topology,
        "prefetches": prefetches(configuration, topology),
        "accelerator": accelerator.name,
        "machine": {key: value for key, value in machine_key().items() if key in ("cpu", "qemu")},
        "before-alpha-s": configuration.steps.before_alpha_s,
        "settings": {part: getattr(configuration, part).model_dump(mode="json") for part in parts},
        "programs": digest_files(measure.install.BINARY, *prefetch.install.BINARIES, alpha_install.BINARY),
        "files": digest_files(*RECIPE),
    }


def warm_snapshot(
    cache: Cache,
    configuration: Configuration,
    image: Image,
    accelerator: Accelerator,
    topology: str,
    expected: Expected,
    report: Report,
) -> Snapshot:
    """The snapshot for a topology, made unless the cache has it. Raises GuestError when a step fails."""

    def build(folder: Path) -> None:
        attempts = configuration.guest.attempts
        for attempt in range(1, attempts + 1):
            try:
                Warming(configuration, image, accelerator, topology, expected, report).save_into(folder)
                return
            except GuestLost as error:
                if attempt == attempts:
                    raise
                log.warning("attempt %d of %d at a warm snapshot: %s", attempt, attempts, error)

    made_of = inputs(cache, configuration, image, accelerator, topology)
    return Snapshot(cache.obtain(f"snapshot-{topology}", made_of, build), topology)


@dataclass(frozen=True)
class Warming:
    """The making of one warm snapshot."""

    configuration: Configuration
    image: Image
    accelerator: Accelerator
    topology_name: str
    expected: Expected
    report: Report

    def save_into(self, folder: Path) -> None:
        limits = self.configuration.limits
        hardware = Hardware(
            self.accelerator.name,
            self.configuration.guest.memory_mib,
            self.configuration.guest.vcpus,
            self.configuration.guest.kernel_arguments,
        )
        with ExitStack() as stack:
            connection, sockets = stack.enter_context(connect(self.configuration.testbed.libvirt_uri))
            guest = stack.enter_context(boot(connection, sockets, hardware, self.image, folder))
            scratch = stack.enter_context(ledger.folder(SHORT_PLACE, PREFIX))
            alpha = EventStream(guest.ports[ALPHA_PORT], scratch / "alpha.jsonl")
            stack.callback(alpha.close)
            self.report("boot")
            begin = time.monotonic()
            guest.resume()
            shell = guest.shell(limits.boot_s)
            stack.callback(shell.close)
            wait_running(shell, limits.boot_s)
            log.info("snapshot %s: booted in %.0f s", self.topology_name, time.monotonic() - begin)
            topology = self._deploy(shell)
            self._start(shell, topology)
            self._warm_up(guest)
            warm_s = time.monotonic() - begin
            if prefetches(self.configuration, self.topology_name):
                # Only now: what the services read while they start is not what an activation needs.
                shell.run("systemctl", "start", prefetch.install.SERVICE)
            for number in range(1, self.configuration.warm.activations + 1):
                self.report(f"activation {number} of {self.configuration.warm.activations}")
                self._press(guest, shell, topology, alpha, request_too=True)
                for _ in range(self.configuration.warm.idle_rounds):
                    self._press(guest, shell, topology, alpha, request_too=False)
            self.report("save")
            shell.run("sync")
            shell.close()
            guest.save(folder / "memory.save")
            times = {"warm_s": warm_s, "all_s": time.monotonic() - begin}
            (folder / TIMES).write_text(json.dumps(times))
            log.info("snapshot %s: ready after %.0f s", self.topology_name, times["all_s"])

    def _deploy(self, shell: Shell) -> Topology:
        self.report("deploy")
        settings = self.configuration
        service = settings.service_a
        topology = make_topology(settings, self.topology_name)
        port = alpha_install.port(shell)
        alpha = Alpha(settings.alpha.size_mib, settings.alpha.stride, settings.alpha.bytes)
        files = [
            *deploy.files(deploy.ServiceA(service.buffer_pool, service.title, service.httpd_processes)),
            *alpha_install.files(),
            *topology.files(alpha_install.command(alpha, port), port),
            *measure.install.files(topology.cgroups),
        ]
        if prefetches(self.configuration, self.topology_name):
            group = {"service_a": topology.cgroups["service_a"]}
            files += prefetch.install.files(group, settings.prefetcher)
        shell.put(files)
        shell.run("systemctl", "daemon-reload")
        shell.run("systemctl", "start", measure.install.SERVICE)
        shell.run("sh", "-c", SWITCH_ON_CPUS)
        return topology

    def _start(self, shell: Shell, topology: Topology) -> None:
        self.report("start service A")
        topology.start_service(shell)
        deploy.wait_ready(shell, CONTAINER[self.topology_name], self.configuration.limits.service_s)
        time.sleep(self.configuration.steps.before_alpha_s)

    def _warm_up(self, guest: Guest) -> None:
        for number in range(1, self.configuration.warm.requests + 1):
            self.report(f"warm-up request {number} of {self.configuration.warm.requests}")
            self._request(guest)

    def _press(self, guest: Guest, shell: Shell, topology: Topology, alpha: EventStream, *, request_too: bool) -> None:
        """Alpha comes, pushes service A out, and ends; an activation if a request comes in between."""
        warm = self.configuration.warm
        seen = len(alpha.events("ready"))
        topology.start_alpha(shell)
        alpha.wait_event("ready", self.configuration.limits.alpha_s, guest, nth=seen + 1)
        time.sleep(warm.quiet_s)
        if request_too:
            self._request(guest)
            time.sleep(warm.settle_s)
        topology.stop_alpha(shell)

    def _request(self, guest: Guest) -> None:
        guest.alive()
        try:
            response = request(guest.http_port, self.configuration.limits.request_s)
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
