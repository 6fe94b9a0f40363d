"""A guest: boot, restore, save, destroy. It starts paused, its ports are attached, then it runs."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import libvirt

from testbed import host
from testbed.connection import embedded_log
from testbed.domain import DISK_NAMES, DOMAIN_NAME, Disks, by_name, readdress, render, throttle
from testbed.errors import GuestError, GuestLost, ShellSilent
from testbed.images.image import Image
from testbed.process import run, tail
from testbed.settings import GuestSettings
from testbed.ssh.shell import Shell, free_port, open_shell
from testbed.supervision.watch import FORK_ROOT_MB, WARMING_ROOT_MB, Growth, Watch, growths, room_mb, watching, whole_mb
from testbed.supervision.watchdog import limited

CONSOLE = "console.log"
TAKEN = "Could not set up host forwarding rule"  # QEMU's words for a port that somebody else has
# virtio-serial ports: the sampler's and the peer's (both directions), the prefetcher's and alpha's (out of the guest).
MEASURE_PORT, PREFETCH_PORT, ALPHA_PORT = "org.paging.measure", "org.paging.prefetch", "org.paging.alpha"
PEER_PORT = "org.paging.peer"
PORT_NAMES = (MEASURE_PORT, PREFETCH_PORT, ALPHA_PORT, PEER_PORT)
PORT_FOLDER = "/dev/virtio-ports"  # in the guest
GUEST_SSH, GUEST_HTTP = 22, 80
PORT_TRIES = 5  # a free port may be another run's before QEMU has it

GOING_S = 1.0  # SSH ends a moment before QEMU has
T = TypeVar("T")


@dataclass(frozen=True)
class Hardware:
    """What the guest is made of."""

    accelerator: str
    guest: GuestSettings


@dataclass(frozen=True)
class Guest:
    """A running guest.

    ``folder`` has its overlays and its console. ``ports`` maps a virtio-serial port's name to its socket on the host,
    ``forwards`` a TCP port of the guest to one of 127.0.0.1.
    """

    domain: libvirt.virDomain
    image: Image
    folder: Path
    console: Path
    ports: Mapping[str, Path]
    forwards: Mapping[int, int]
    xml: str
    watch: Watch

    @property
    def ssh_port(self) -> int:
        return self.forwards[GUEST_SSH]

    @property
    def http_port(self) -> int:
        return self.forwards[GUEST_HTTP]

    def alive(self) -> None:
        """Raises GuestLost if the guest is gone, and what else is wrong with it by now (testbed.supervision.watch)."""
        gone = self.watch.gone.is_set() or not is_active(self.domain)
        if trouble := self.watch.look():  # after that, so that its last words are there
            raise trouble
        if gone:
            raise GuestLost(f"the guest is gone; its console's last lines:\n{indent(tail(self.console))}")

    @contextmanager
    def explained(self) -> Iterator[None]:
        """What fails in here because the guest is gone, or going, is a GuestLost, or what else ``alive`` says."""
        try:
            yield
        except GuestLost:
            raise
        except GuestError:
            self.watch.gone.wait(GOING_S)
            self.alive()
            raise

    def disk_iops(self) -> dict[str, int]:
        """The operations a second that QEMU grants each disk now, as libvirt says it; 0 is no limit."""

        def ask() -> dict[str, int]:
            return {disk: int(self.domain.blockIoTune(disk)["total_iops_sec"]) for disk in DISK_NAMES}

        return self._call("the disks' limits", ask)

    def cpu_s(self) -> float:
        """CPU seconds that the guest's QEMU has used."""
        return self._call("the guest's CPU time", lambda: float(self.domain.info()[4]) / 1e9)

    def resume(self) -> None:
        self._call("the guest's start", self.domain.resume)

    def _call(self, what: str, ask: Callable[[], T]) -> T:
        with limited(what, self.folder):
            try:
                return ask()
            except libvirt.libvirtError as error:
                raise GuestLost(f"{what}: {error}") from error

    def shell(self, limit: float) -> Shell:
        """Log in within ``limit`` seconds. Raises ShellSilent with the console's last lines, or what ``alive`` says."""
        try:
            return open_shell(self.ssh_port, self.image.private_key, self.image.host_key, limit, self.alive)
        except ShellSilent as error:
            raise ShellSilent(f"{error}; the console's last lines:\n{indent(tail(self.console))}") from error

    def wait(self, ready: Callable[[], bool], limit: float, what: str, pause: float = 0.05) -> None:
        """Poll ``ready`` until it holds. Raises GuestError naming ``what`` after ``limit`` seconds."""
        deadline = time.monotonic() + limit
        while not ready():
            self.alive()
            if time.monotonic() > deadline:
                raise GuestError(f"{what} did not happen within {limit:.0f} s")
            time.sleep(pause)

    def save(self, memory: Path) -> None:
        """Save memory and devices to a file and end the guest; its disks then belong to that file."""
        self._call("the guest's save", lambda: self.domain.save(str(memory)))


@contextmanager
def boot(
    connection: libvirt.virConnect, sockets: Path, hardware: Hardware, image: Image, folder: Path
) -> Iterator[Guest]:
    """A guest that starts from ``image``, paused; its overlays and console are made in ``folder``.

    Raises DiskFull if there is no room for these and for the guest when it is saved, GuestError with libvirt's words if
    it does not start.
    """
    host.require_room({folder: room_mb(WARMING_ROOT_MB, swap_mib(image)) + whole_mb(hardware.guest.memory_mib)})
    disks = fresh_disks(folder, image.root_disk, image.swap_disk, "raw")
    ports, console = own_sockets(sockets), folder / CONSOLE

    def create(forwards: Mapping[int, int]) -> libvirt.virDomain:
        xml = render(
            name=DOMAIN_NAME,
            accelerator="qemu" if hardware.accelerator == "tcg" else hardware.accelerator,
            memory_mib=hardware.guest.memory_mib,
            vcpus=hardware.guest.vcpus,
            kernel=image.kernel,
            initrd=image.initrd,
            cmdline=hardware.guest.kernel_arguments,
            disks=[{"file": file, "target": name} for name, file in by_name(disks).items()],
            ports=[{"name": name, "path": path} for name, path in ports.items()],
            console=console,
            forwards=[{"host": host, "guest": guest} for guest, host in forwards.items()],
        )
        return connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)

    growing = growths(console, disks.root, WARMING_ROOT_MB, qemu_log(connection))
    with running(connection, image, folder, ports, "the guest's boot", create, growing) as guest:
        yield guest


@contextmanager
def restore(
    connection: libvirt.virConnect,
    sockets: Path,
    image: Image,
    memory: Path,
    saved: Disks,
    folder: Path,
    disk_iops: int = 0,
) -> Iterator[Guest]:
    """A fork of a saved guest, paused, on fresh overlays of the ``saved`` disks made in ``folder``.

    ``disk_iops`` limits each disk to so many operations a second for as long as the guest lives; 0 does not.
    Raises DiskFull if there is no room for what it may write, GuestError with libvirt's words if it does not come back.
    """
    host.require_room({folder: room_mb(FORK_ROOT_MB, swap_mib(image))})
    disks = fresh_disks(folder, saved.root, saved.swap, "qcow2")
    ports, console = own_sockets(sockets), folder / CONSOLE

    def create(forwards: Mapping[int, int]) -> libvirt.virDomain:
        stored = connection.saveImageGetXMLDesc(str(memory), libvirt.VIR_DOMAIN_XML_SECURE)
        xml = readdress(stored, disks, ports, console, forwards)
        if disk_iops:
            xml = throttle(xml, disk_iops)
        connection.restoreFlags(str(memory), xml, libvirt.VIR_DOMAIN_SAVE_PAUSED)
        return connection.lookupByName(DOMAIN_NAME)

    growing = growths(console, disks.root, FORK_ROOT_MB, qemu_log(connection))
    with running(connection, image, folder, ports, "the saved guest's restore", create, growing) as guest:
        yield guest


@contextmanager
def running(
    connection: libvirt.virConnect,
    image: Image,
    folder: Path,
    ports: Mapping[str, Path],
    what: str,
    create: Callable[[Mapping[int, int]], libvirt.virDomain],
    growing: Sequence[Growth],
) -> Iterator[Guest]:
    """The guest that ``create`` makes when it is given host ports; watched, and ended afterwards."""
    console = folder / CONSOLE
    with ended_afterwards(connection, folder):
        domain, forwards = with_free_ports(folder, what, create)
        with contextlib.ExitStack() as stack:
            try:
                watch = stack.enter_context(watching(connection, domain, console, growing))
                xml = domain.XMLDesc()
            except libvirt.libvirtError as error:
                raise GuestLost(f"the guest is gone as soon as it was there: {error}") from error
            yield Guest(domain, image, folder, console, ports, forwards, xml, watch)


def with_free_ports(
    folder: Path, what: str, create: Callable[[Mapping[int, int]], libvirt.virDomain]
) -> tuple[libvirt.virDomain, Mapping[int, int]]:
    """``create``'s domain, and the host's port for each of the guest's. Raises GuestError with libvirt's words."""
    for attempt in range(1, PORT_TRIES + 1):
        forwards = {guest: free_port() for guest in (GUEST_SSH, GUEST_HTTP)}
        with limited(what, folder):
            try:
                return create(forwards), forwards
            except libvirt.libvirtError as error:
                if TAKEN not in str(error) or attempt == PORT_TRIES:
                    raise GuestError(f"{what} failed: {error}") from error
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def ended_afterwards(connection: libvirt.virConnect, folder: Path) -> Iterator[None]:
    """Destroy our domain on the way out, also when Ctrl-C came while libvirt was still starting it.

    Ours is the one with its disks in ``folder``: on a libvirt that others use it may be another run's.
    """
    try:
        yield
    finally:
        with limited("the guest's end", folder), contextlib.suppress(libvirt.libvirtError):
            domain = connection.lookupByName(DOMAIN_NAME)
            if str(folder) in domain.XMLDesc():
                domain.destroy()


def own_sockets(sockets: Path) -> dict[str, Path]:
    """A socket for each virtio-serial port."""
    return {name: sockets / f"{name}.sock" for name in PORT_NAMES}


def fresh_disks(folder: Path, root: Path, swap: Path, kind: str) -> Disks:
    """Copy-on-write overlays of two disks."""
    disks = Disks(folder / "root.qcow2", folder / "swap.qcow2")
    for base, overlay in ((root, disks.root), (swap, disks.swap)):
        run([
            "qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", base.resolve(), overlay,
        ], hint="apt-get install qemu-utils")  # fmt: skip
    return disks


def swap_mib(image: Image) -> float:
    return image.swap_disk.stat().st_size / 2**20


def qemu_log(connection: libvirt.virConnect) -> Path | None:
    """Where QEMU's words on guests go, if the driver is ours; a daemon's has virtlogd, which keeps it short."""
    return embedded_log() if connection.getURI().startswith("qemu:///embed") else None


def is_active(domain: libvirt.virDomain) -> bool:
    try:
        return bool(domain.isActive())
    except libvirt.libvirtError:
        return False


def indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
