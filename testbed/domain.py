"""The guest's description for libvirt: made from domain.xml.j2, or a saved guest's, readdressed."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2

from testbed.errors import GuestError

TEMPLATES = Path(__file__).parent
QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
DOMAIN_NAME = "paging"
DISK_NAMES = ("vda", "vdb")  # root and swap


@dataclass(frozen=True)
class Disks:
    """Where a guest's copy-on-write disks are: qcow2 files."""

    root: Path
    swap: Path


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
