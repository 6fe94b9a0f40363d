"""The sampler in a guest; it idles until the host tells it to start over its virtio-serial port."""

from collections.abc import Mapping
from pathlib import Path

from testbed.guest import MEASURE_PORT, PORT_FOLDER
from testbed.ssh.shell import File

BINARY = Path(__file__).parent / "build" / "sampler"
PORT = f"{PORT_FOLDER}/{MEASURE_PORT}"
DISKS = ("vda", "vdb")
UNIT_NAME = "sampler.service"
UNIT = """\
[Unit]
Description=sampler of fault counters

[Service]
ExecStart=/usr/local/sbin/sampler --port {port} {groups} {disks}
LimitMEMLOCK=infinity
OOMScoreAdjust=-900
"""


def files(groups: Mapping[str, str]) -> list[File]:
    """The sampler and its unit, for ``groups`` (name -> cgroup folder)."""
    unit = UNIT.format(
        port=PORT,
        groups=" ".join(f"--group {name}={folder}" for name, folder in groups.items()),
        disks=" ".join(f"--disk {disk}" for disk in DISKS),
    )
    return [
        File("/usr/local/sbin/sampler", BINARY.read_bytes(), 0o755),
        File(f"/etc/systemd/system/{UNIT_NAME}", unit.encode()),
    ]
