"""The domain's XML: what the template gives, and what a fork may change."""

import xml.etree.ElementTree as ET
from pathlib import Path

from testbed.domain import Disks, readdress, render, throttle
from testbed.guest import PORT_NAMES

PORTS = {name: Path(f"/run/{name}.sock") for name in PORT_NAMES}


def domain(**changes: object) -> str:
    values: dict[str, object] = {
        "name": "paging",
        "accelerator": "qemu",
        "memory_mib": 1024,
        "vcpus": 2,
        "kernel": "/k",
        "initrd": "/i",
        "cmdline": "root=/dev/vda",
        "disks": [{"file": "/a/root.qcow2", "target": "vda"}, {"file": "/a/swap.qcow2", "target": "vdb"}],
        "ports": [{"name": name, "path": path} for name, path in PORTS.items()],
        "console": "/a/console.log",
        "forwards": [{"host": 1022, "guest": 22}, {"host": 1080, "guest": 80}],
    }
    return render(**{**values, **changes})


def arguments(xml: str) -> list[str]:
    root = ET.fromstring(xml)
    return [a.get("value", "") for a in root.iter("{http://libvirt.org/schemas/domain/qemu/1.0}arg")]


def test_the_guest_has_no_way_out_and_listens_on_loopback_only() -> None:
    network = next(value for value in arguments(domain()) if value.startswith("user,"))
    assert "restrict=on" in network
    forwards = [part for part in network.split(",") if part.startswith("hostfwd=")]
    assert forwards == ["hostfwd=tcp:127.0.0.1:1022-10.0.2.15:22", "hostfwd=tcp:127.0.0.1:1080-10.0.2.15:80"]


def test_the_papers_guest() -> None:
    root = ET.fromstring(domain())
    assert (root.findtext("memory"), root.findtext("vcpu"), root.findtext("os/kernel")) == ("1024", "2", "/k")
    assert [d.get("bus") for d in root.iterfind("devices/disk/target")] == ["virtio", "virtio"]
    assert root.find("devices/serial[@type='file']") is not None
    assert [t.get("name") for t in root.iterfind("devices/channel/target")] == list(PORT_NAMES)


def test_values_are_escaped() -> None:
    root = ET.fromstring(domain(cmdline='a="<b>" & c'))
    assert root.findtext("os/cmdline") == 'a="<b>" & c'


def test_a_fork_gets_its_own_files_and_ports_and_nothing_else() -> None:
    disks = Disks(Path("/b/root.qcow2"), Path("/b/swap.qcow2"))
    ports = {name: Path(f"/b/{name}") for name in PORT_NAMES}
    before = ET.fromstring(domain())
    after_text = readdress(domain(), disks, ports, Path("/b/console.log"), {22: 2022, 80: 2080})
    after = ET.fromstring(after_text)
    assert [s.get("file") for s in after.iterfind("devices/disk/source")] == ["/b/root.qcow2", "/b/swap.qcow2"]
    assert [s.get("path") for s in after.iterfind("devices/channel/source")] == [f"/b/{n}" for n in PORT_NAMES]
    network = next(value for value in arguments(after_text) if value.startswith("user,"))
    assert "127.0.0.1:2022-" in network
    assert "1022" not in network
    assert "restrict=on" in network
    for path in ("memory", "vcpu", "os/kernel", "os/cmdline"):
        assert after.findtext(path) == before.findtext(path)


def test_a_throttle_stands_on_both_disks_once() -> None:
    text = throttle(throttle(domain(), 5000), 200)
    root = ET.fromstring(text)
    disks = {disk.find("target").get("dev"): disk for disk in root.iterfind("devices/disk")}  # type: ignore[union-attr]
    assert set(disks) == {"vda", "vdb"}
    for disk in disks.values():
        assert [limit.text for limit in disk.iterfind("iotune/total_iops_sec")] == ["200"]
    assert arguments(text) == arguments(domain()), "nothing else is changed"
    assert not list(ET.fromstring(domain()).iter("iotune")), "and none without asking"
