"""A guest: boot, restore, save, destroy. It starts paused, its ports are attached, then it runs."""

import contextlib
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import libvirt

from testbed.errors import GuestError
from testbed.image import Image
from testbed.process import run, tail
from testbed.shell import Shell, free_port, open_shell

TEMPLATES = Path(__file__).parent
QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
DOMAIN_NAME = "paging"
# virtio-serial ports: the sampler's (both directions), the prefetcher's and alpha's (out of the guest).
MEASURE_PORT, PREFETCH_PORT, ALPHA_PORT = "org.paging.measure", "org.paging.prefetch", "org.paging.alpha"
PORT_NAMES = (MEASURE_PORT, PREFETCH_PORT, ALPHA_PORT)
PORT_FOLDER = "/dev/virtio-ports"  # in the guest
GUEST_SSH, GUEST_HTTP = 22, 80
DISK_NAMES = ("vda", "vdb")  # root and swap


class GuestLost(GuestError):  # noqa: N818 - what happened, said as people say it
    """The guest is gone: QEMU ended, or the guest panicked or powered itself off."""


@dataclass(frozen=True)
class Hardware:
    """What the guest is made of."""

    accelerator: str
    memory_mib: int
    vcpus: int
    kernel_arguments: str


@dataclass(frozen=True)
class Disks:
    """Where a guest's copy-on-write disks are: qcow2 files."""

    root: Path
    swap: Path


@dataclass
class Guest:
    """A running guest.

    ``ports`` maps a virtio-serial port's name to its socket on the host, ``forwards`` a TCP port of the guest
    to one of 127.0.0.1.
    """

    domain: libvirt.virDomain
    image: Image
    disks: Disks
    console: Path
    ports: Mapping[str, Path]
    forwards: Mapping[int, int]
    xml: str
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def ssh_port(self) -> int:
        return self.forwards[GUEST_SSH]

    @property
    def http_port(self) -> int:
        return self.forwards[GUEST_HTTP]

    def alive(self) -> None:
        """Raises GuestLost, with the console's last lines, if the guest is gone."""
        if self.gone.is_set() or not is_active(self.domain):
            panics = [line for line in tail(self.console, 200).splitlines() if "Kernel panic" in line]
            why = panics[0] if panics else f"its console's last lines:\n{indent(tail(self.console))}"
            raise GuestLost(f"the guest is gone; {why}")

    def disk_iops(self) -> dict[str, int]:
        """The operations a second that QEMU grants each disk now, as libvirt says it; 0 is no limit."""
        try:
            return {disk: int(self.domain.blockIoTune(disk)["total_iops_sec"]) for disk in DISK_NAMES}
        except libvirt.libvirtError as error:
            raise GuestLost(f"the disks' limits could not be asked for: {error}") from error

    def cpu_s(self) -> float:
        """CPU seconds that the guest's QEMU has used."""
        try:
            return float(self.domain.info()[4]) / 1e9
        except libvirt.libvirtError as error:
            raise GuestLost(f"the guest's CPU time could not be asked for: {error}") from error

    def resume(self) -> None:
        try:
            self.domain.resume()
        except libvirt.libvirtError as error:
            raise GuestLost(f"the guest could not go on: {error}") from error

    def shell(self, limit: float) -> Shell:
        """Log in within ``limit`` seconds. Raises GuestError with the console's last lines."""
        try:
            return open_shell(self.ssh_port, self.image.private_key, self.image.host_key, limit, self.alive)
        except GuestLost:
            raise
        except GuestError as error:
            raise GuestError(f"{error}; the console's last lines:\n{indent(tail(self.console))}") from error

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
        try:
            self.domain.save(str(memory))
        except libvirt.libvirtError as error:
            raise GuestError(f"the guest could not be saved: {error}") from error


@contextmanager
def boot(
    connection: libvirt.virConnect, sockets: Path, hardware: Hardware, image: Image, folder: Path
) -> Iterator[Guest]:
    """A guest that starts from ``image``, paused; its overlays and console are made in ``folder``.

    Raises GuestError with libvirt's words if it does not start.
    """
    disks = fresh_disks(folder, image.root_disk, image.swap_disk, "raw")
    ports, forwards = own_addresses(sockets)
    console = folder / "console.log"
    xml = render(
        name=DOMAIN_NAME,
        accelerator="qemu" if hardware.accelerator == "tcg" else hardware.accelerator,
        memory_mib=hardware.memory_mib,
        vcpus=hardware.vcpus,
        kernel=image.kernel,
        initrd=image.initrd,
        cmdline=hardware.kernel_arguments,
        disks=[{"file": file, "target": name} for name, file in by_name(disks).items()],
        ports=[{"name": name, "path": path} for name, path in ports.items()],
        console=console,
        forwards=[{"host": host, "guest": guest} for guest, host in forwards.items()],
    )
    with ended_afterwards(connection):
        try:
            domain = connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
            xml = domain.XMLDesc()
        except libvirt.libvirtError as error:
            raise GuestError(f"the guest could not be started: {error}") from error
        with watched(connection, Guest(domain, image, disks, console, ports, forwards, xml)) as guest:
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
    Raises GuestError with libvirt's words if it does not come back.
    """
    disks = fresh_disks(folder, saved.root, saved.swap, "qcow2")
    ports, forwards = own_addresses(sockets)
    console = folder / "console.log"
    with ended_afterwards(connection):
        try:
            stored = connection.saveImageGetXMLDesc(str(memory), libvirt.VIR_DOMAIN_XML_SECURE)
            xml = readdress(stored, disks, ports, console, forwards)
            if disk_iops:
                xml = throttle(xml, disk_iops)
            connection.restoreFlags(str(memory), xml, libvirt.VIR_DOMAIN_SAVE_PAUSED)
            domain = connection.lookupByName(DOMAIN_NAME)
        except libvirt.libvirtError as error:
            raise GuestError(f"the saved guest could not be restored: {error}") from error
        with watched(connection, Guest(domain, image, disks, console, ports, forwards, xml)) as guest:
            yield guest


@contextmanager
def ended_afterwards(connection: libvirt.virConnect) -> Iterator[None]:
    """Destroy our domain on the way out, also when Ctrl-C came while libvirt was still starting it."""
    try:
        yield
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            connection.lookupByName(DOMAIN_NAME).destroy()


def own_addresses(sockets: Path) -> tuple[dict[str, Path], dict[int, int]]:
    """Sockets for the virtio-serial ports, and free ports of 127.0.0.1 by the guest's port that they lead to."""
    ports = {name: sockets / f"{name}.sock" for name in PORT_NAMES}
    return ports, {guest: free_port() for guest in (GUEST_SSH, GUEST_HTTP)}


def render(**values: object) -> str:
    """domain.xml.j2 with ``values``, escaped for XML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("domain.xml.j2").render(**values)


def readdress(xml: str, disks: Disks, ports: Mapping[str, Path], console: Path, forwards: Mapping[int, int]) -> str:
    """A saved guest's XML with this fork's own files and host ports; everything the guest sees stays."""
    ET.register_namespace("qemu", QEMU_NAMESPACE)
    domain = ET.fromstring(xml)  # noqa: S314 - libvirt's own output, from a file of our cache
    files = by_name(disks)
    for disk in domain.iter("disk"):
        element(disk, "source").set("file", str(files[element(disk, "target").get("dev", "")]))
        for chain in disk.findall("backingStore"):
            disk.remove(chain)
    for channel in domain.iter("channel"):
        element(channel, "source").set("path", str(ports[element(channel, "target").get("name", "")]))
    for serial in [*domain.iter("serial"), *domain.iter("console")]:
        element(serial, "source").set("path", str(console))
    for argument in domain.iter(f"{{{QEMU_NAMESPACE}}}arg"):
        value = argument.get("value", "")
        if value.startswith("user,"):
            kept = [part for part in value.split(",") if not part.startswith("hostfwd=")]
            added = [f"hostfwd=tcp:127.0.0.1:{host}-10.0.2.15:{guest}" for guest, host in forwards.items()]
            argument.set("value", ",".join(kept + added))
    return ET.tostring(domain, encoding="unicode")


def throttle(xml: str, disk_iops: int) -> str:
    """A domain's XML in which QEMU lets each disk do at most so many reads and writes a second."""
    ET.register_namespace("qemu", QEMU_NAMESPACE)
    domain = ET.fromstring(xml)  # noqa: S314 - libvirt's own output, from a file of our cache
    for disk in domain.iter("disk"):
        for before in disk.findall("iotune"):
            disk.remove(before)
        ET.SubElement(ET.SubElement(disk, "iotune"), "total_iops_sec").text = str(disk_iops)
    return ET.tostring(domain, encoding="unicode")


def by_name(disks: Disks) -> dict[str, Path]:
    return dict(zip(DISK_NAMES, (disks.root, disks.swap), strict=True))


def element(parent: ET.Element, tag: str) -> ET.Element:
    found = parent.find(tag)
    if found is None:
        raise GuestError(f"the saved guest's XML has a <{parent.tag}> without <{tag}>")
    return found


def fresh_disks(folder: Path, root: Path, swap: Path, kind: str) -> Disks:
    """Copy-on-write overlays of two disks."""
    disks = Disks(folder / "root.qcow2", folder / "swap.qcow2")
    for base, overlay in ((root, disks.root), (swap, disks.swap)):
        run([
            "qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", base.resolve(), overlay,
        ], hint="apt-get install qemu-utils")  # fmt: skip
    return disks


@contextmanager
def watched(connection: libvirt.virConnect, guest: Guest) -> Iterator[Guest]:
    """Note the guest's end as it happens."""

    def ended(_connection: object, _domain: object, event: int, _detail: int, _opaque: object) -> None:
        if event in (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_CRASHED):
            guest.gone.set()

    try:
        lifecycle = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
        callback = connection.domainEventRegisterAny(guest.domain, lifecycle, ended, None)
    except libvirt.libvirtError as error:
        raise GuestLost(f"the guest is gone as soon as it was there: {error}") from error
    try:
        yield guest
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            connection.domainEventDeregisterAny(callback)


def is_active(domain: libvirt.virDomain) -> bool:
    try:
        return bool(domain.isActive())
    except libvirt.libvirtError:
        return False


def indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
