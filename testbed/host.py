"""What the host must have, whether it has it, and the command that brings it."""

import math
import os
import pwd
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from testbed.accelerator import KVM, remembered
from testbed.errors import DiskFull, HostError
from testbed.images.namespace import alone, with_sbin
from testbed.process import run

GIB = 1024**3
IDS = 65_536  # a Debian tree has users and groups up to 65,535
TRIAL_SECONDS = 20


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
    try:
        pwd.getpwnam("libvirt-qemu")
    except KeyError:
        return Need("libvirt user", False, "no user libvirt-qemu", "make setup")
    return Need("libvirt user", True, "libvirt-qemu", "")


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


def namespaces() -> Need:
    """Whether an image can be built here; found out by what its build begins with: new namespaces, and a mount."""
    try:
        mapped = run(
            [*alone(), "sh", "-c", "mount -t tmpfs none /tmp && cat /proc/self/uid_map && cat /proc/self/gid_map"],
            env={"PATH": with_sbin()},
            timeout=TRIAL_SECONDS,
        )
    except HostError as error:
        said = str(error).splitlines()[-1].strip()
        return Need("namespaces", False, said, remedy_for_namespaces(said))
    sizes = [int(line.split()[2]) for line in mapped.splitlines()]
    uids, gids = sum(sizes[: len(sizes) // 2]), sum(sizes[len(sizes) // 2 :])
    found = f"had, with {min(uids, gids):,} users and groups"
    return Need("namespaces", min(uids, gids) >= IDS, found, more_ids())


def remedy_for_namespaces(said: str) -> str:
    """The command that lets namespaces be had, by what refused them (user_namespaces(7), sysctl/kernel.rst)."""
    if os.geteuid() == 0:
        return "run as root of the machine, or in a container that may mount (--privileged)"
    refusing = {
        "kernel/unprivileged_userns_clone": "0",
        "kernel/apparmor_restrict_unprivileged_userns": "1",
        "user/max_user_namespaces": "0",
    }
    for name, refused in refusing.items():
        try:
            value = Path("/proc/sys", name).read_text().strip()
        except OSError:
            continue
        if value == refused:
            allowed = "15000" if name.startswith("user") else str(1 - int(refused))
            return f"sudo sysctl {name.replace('/', '.')}={allowed}"
    return more_ids() if "map" in said or "sub" in said else "as root: sudo make reproduce"


def more_ids() -> str:
    user = pwd.getpwuid(os.geteuid()).pw_name
    return f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"


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
    available = min(psutil.virtual_memory().available, left_to_this_cgroup()) / GIB
    found = f"{available:.1f} GiB available, {needed_gib:.1f} needed"
    fit = int((available - besides_gib) / guest_gib)
    remedy = f"--jobs {fit}" if 0 < fit < guests else "end other programs"
    return Need("memory", available >= needed_gib, found, remedy)


def left_to_this_cgroup(proc: Path = Path("/proc/self/cgroup"), tree: Path = Path("/sys/fs/cgroup")) -> float:
    """What the limits of our control groups leave, in bytes: a container's may lie below the machine's memory.

    Of both versions (cgroup-v2.rst; cgroup-v1/memory.rst, also beside version 2). Without any limit, infinity.
    """
    left = math.inf
    for line in proc.read_text(errors="replace").splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers == "":
            top, names = tree, ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            top, names = tree / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        group = top / own.strip("/")
        for folder in (group, *group.parents[: len(group.relative_to(top).parts)]):
            try:
                limit, used = ((folder / name).read_text().strip() for name in names)
                stat = dict(entry.split() for entry in (folder / "memory.stat").read_text().splitlines())
            except (OSError, ValueError):
                continue
            if limit != "max":
                left = min(left, int(limit) - int(used) + int(stat.get("inactive_file", 0)))
    return left


def tools(cache: Path | None = None) -> list[Need]:
    return [
        tool("QEMU", "qemu-system-x86_64", "qemu-system-x86"),
        tool("QEMU images", "qemu-img", "qemu-utils"),
        libvirt_parts(),
        driver_user(),
        kvm(cache),
        tool("mmdebstrap", "mmdebstrap", "mmdebstrap"),
        tool("uidmap", "newuidmap", "uidmap"),
        namespaces(),
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
