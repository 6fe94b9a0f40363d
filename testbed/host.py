"""What the host must have, whether it has it, and the command that brings it."""

import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.accelerator import KVM, remembered
from testbed.errors import DiskFull, HostError

GIB = 1024**3


@dataclass(frozen=True)
class Need:
    """One need of the harness. ``found`` says what is there; it is required unless ``optional``."""

    name: str
    ok: bool
    found: str
    remedy: str
    optional: bool = False


def tool(name: str, program: str, package: str) -> Need:
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return Need(name, path is not None, path or f"{program} is not installed", f"apt-get install {package}")


def libvirt_parts() -> Need:
    """The QEMU driver, which the embedded connection loads, and the helper that saves guests."""
    parts = ("libvirt/connection-driver/libvirt_driver_qemu.so", "libvirt/libvirt_iohelper")
    places = [Path(p) for p in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/libexec")]
    missing = [
        part
        for part in parts
        if not any((place / part).exists() or (place / Path(part).name).exists() for place in places)
    ]
    found = f"{', '.join(missing)} not installed" if missing else "QEMU driver and iohelper are there"
    return Need("libvirt", not missing, found, "apt-get install libvirt-daemon libvirt-daemon-driver-qemu")


def driver_user() -> Need:
    """Root's embedded driver looks up the user of Debian's build even though it then runs QEMU as the caller."""
    if os.geteuid() != 0:
        return Need("libvirt user", True, "not needed without root", "")
    there = any(line.startswith("libvirt-qemu:") for line in Path("/etc/passwd").read_text().splitlines())
    return Need("libvirt user", there, "libvirt-qemu" if there else "no user libvirt-qemu", "make setup")


def kvm(cache: Path | None) -> Need:
    """Whether guests run on hardware: what an earlier trial with a kernel found, else only whether the device opens."""
    tried = remembered(cache) if cache else None
    if tried:
        return Need("KVM", tried.name == "kvm", tried.reason, "none: guests are emulated (TCG), slower", optional=True)
    if not KVM.exists():
        return Need("KVM", False, f"{KVM} is not there", "none: guests are emulated (TCG), slower", optional=True)
    if not os.access(KVM, os.R_OK | os.W_OK):
        return Need("KVM", False, f"{KVM} may not be opened", "add yourself to the group kvm", optional=True)
    return Need("KVM", True, f"{KVM} opens; the first run tries whether a kernel boots on it", "", optional=True)


def subordinate_ids() -> Need:
    if os.geteuid() == 0:
        return Need("subordinate ids", True, "not needed as root", "")
    names = {str(os.getuid()), os.environ.get("USER", "")}
    try:
        owners = {line.split(":")[0] for line in Path("/etc/subuid").read_text().splitlines()}
    except OSError:
        owners = set()
    there = bool(names & owners)
    found = "a range in /etc/subuid" if there else "no range in /etc/subuid"
    return Need("subordinate ids", there, found, f"sudo usermod --add-subuids 100000-165535 --add-subgids "
                f"100000-165535 {os.environ.get('USER', 'USER')}")  # fmt: skip


def disk_space(folder: Path, needed_gib: float) -> Need:
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / GIB
    return Need(
        "disk space",
        free >= needed_gib,
        f"{free:.0f} GiB free in {place}, {needed_gib:.0f} needed",
        "free some, or give another folder: python run.py --cache DIR",
    )


def require_room(needed_mb: Mapping[Path, float]) -> None:
    """Raises DiskFull unless so many megabytes (10^6 bytes) are free where these folders are, on one disk for all."""
    together: Counter[int] = Counter()
    for folder, mb in needed_mb.items():
        disk = folder.stat().st_dev
        together[disk] += math.ceil(mb)
        free_mb = shutil.disk_usage(folder).free / 1e6
        if free_mb < together[disk]:
            raise DiskFull(
                f"{folder}: {free_mb:.0f} MB free, {together[disk]} needed",
                "free some (python run.py clean --images), then start again, a run with --resume",
            )


def writable(folder: Path) -> Need:
    place = folder
    while not (place.exists() or place.is_symlink()):
        place = place.parent
    ok = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return Need("results", ok, f"{folder} {'can' if ok else 'cannot'} be written", "python run.py --results DIR")


def memory(besides_gib: float, guest_gib: float, guests: int) -> Need:
    """For so many guests at a time, and what is needed besides."""
    needed_gib = besides_gib + guests * guest_gib
    available = 0.0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) / 1024**2
    found = f"{available:.1f} GiB available, {needed_gib:.1f} needed"
    fit = int((available - besides_gib) / guest_gib)
    remedy = f"--jobs {fit}" if 0 < fit < guests else "end other programs"
    return Need("memory", available >= needed_gib, found, remedy)


def tools(cache: Path | None = None) -> list[Need]:
    return [
        tool("QEMU", "qemu-system-x86_64", "qemu-system-x86"),
        tool("QEMU images", "qemu-img", "qemu-utils"),
        libvirt_parts(),
        driver_user(),
        kvm(cache),
        tool("mmdebstrap", "mmdebstrap", "mmdebstrap"),
        tool("uidmap", "newuidmap", "uidmap"),
        subordinate_ids(),
        tool("compiler", "gcc", "gcc libc6-dev make"),
        tool("mke2fs", "mke2fs", "e2fsprogs"),
        tool("mkswap", "mkswap", "util-linux"),
        tool("unshare", "unshare", "util-linux"),
    ]


def require(needs: Sequence[Need]) -> None:
    """Raises HostError naming everything that is missing, each with its remedy."""
    missing = [need for need in needs if not need.ok and not need.optional]
    if missing:
        lines = "\n".join(f"    {need.name}: {need.found}; {need.remedy}" for need in missing)
        raise HostError(f"this host is not ready:\n{lines}", "make setup, or the commands above")


def show(needs: Sequence[Need], write: Callable[[str], None]) -> bool:
    """A line for each need; whether everything required is there."""
    for need in needs:
        mark = "ok     " if need.ok else ("absent " if need.optional else "MISSING")
        way_out = f"\n           way out: {need.remedy}" if need.remedy and not need.ok else ""
        write(f"  {mark}  {need.name}: {need.found}{way_out}")
    return all(need.ok or need.optional for need in needs)
