"""The guest's image, built without a guest in three cached stages: root, (the caller's) data, disk."""

import logging
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from testbed.cache import Cache, digest_files
from testbed.cache.checksums import identity
from testbed.errors import HostError
from testbed.images.disk import IMAGES, listed
from testbed.images.namespace import alone, run_inside, with_sbin
from testbed.process import run
from testbed.ssh.keys import make_keys

log = logging.getLogger(__name__)

KERNEL = "vmlinuz"  # of an image, and of the stage that has its packages
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


@dataclass(frozen=True)
class Image:
    """A built image: a folder of the cache."""

    folder: Path

    @property
    def root_disk(self) -> Path:
        return self.folder / "root.raw"

    @property
    def swap_disk(self) -> Path:
        return self.folder / "swap.raw"

    @property
    def kernel(self) -> Path:
        return self.folder / KERNEL

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"

    @property
    def private_key(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def host_key(self) -> Path:
        return self.folder / "host_ed25519.pub"

    @property
    def packages(self) -> dict[str, str]:
        """Name -> version of every package in the guest."""
        lines = (self.folder / "packages.tsv").read_text().splitlines()
        return dict(line.split("\t", 1) for line in lines)

    @property
    def kernel_release(self) -> str:
        return (self.folder / "kernel-release").read_text().strip()


# Killed, mmdebstrap leaves its tree, which an ordinary user may not even remove: this one goes with the namespace.
IN_MEMORY = 'mount -t tmpfs -o mode=0755,size=2g tmpfs "$1" && shift && exec "$@"'


def root_stage(cache: Cache, suite: str) -> Path:
    """The folder with root.tar (Debian ``suite`` and the packages of packages.txt), vmlinuz and initrd.img."""
    packages = listed(IMAGES / "packages.txt")
    inputs = {"stage": "root", "version": 1, "suite": suite, "packages": packages, "left-out": list(LEFT_OUT)}
    return cache.obtain("root", inputs, lambda folder: build_root(folder, suite, packages))


def build_root(folder: Path, suite: str, packages: list[str]) -> None:
    log.info("image: Debian %s with %d packages (about a minute)", suite, len(packages))
    tarball = folder / "root.tar"
    tree = folder / "tree"
    tree.mkdir()
    run(
        [
            *alone(),
            "sh",
            "-c",
            IN_MEMORY,
            "sh",
            tree,
            "mmdebstrap",
            "--variant=minbase",
            "--mode=root",
            '--aptopt=APT::Install-Recommends "false"',
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
            f"--include={','.join(packages)}",
            suite,
            tarball,
        ],
        log=folder / "build.log",
        timeout=1800,
        env={"TMPDIR": str(tree), "PATH": with_sbin()},
        grace=0,
        hint="python run.py doctor tells what is missing; the network must reach a Debian mirror",
    )
    tree.rmdir()
    unpack_boot(tarball, folder)


def unpack_boot(tarball: Path, folder: Path) -> None:
    """Take kernel, initrd and the list of packages out of the tarball, for direct boot and for the manifest."""
    with tarfile.open(tarball) as archive:
        for member in archive:
            name = Path(member.name).name
            if member.isfile() and name.startswith("vmlinuz-"):
                copy_member(archive, member, folder / KERNEL)
                (folder / "kernel-release").write_text(name.removeprefix("vmlinuz-"))
            elif member.isfile() and name.startswith("initrd.img-"):
                copy_member(archive, member, folder / "initrd.img")
            elif member.name.removeprefix("./") == "var/lib/dpkg/status":
                copy_member(archive, member, folder / "dpkg-status")
    if not (folder / KERNEL).exists() or not (folder / "initrd.img").exists():
        raise HostError("the built root has no kernel", "add a linux-image package to testbed/images/packages.txt")
    (folder / "packages.tsv").write_text(package_versions((folder / "dpkg-status").read_text(errors="replace")))
    (folder / "dpkg-status").unlink()


def copy_member(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = archive.extractfile(member)
    if source:
        target.write_bytes(source.read())


def package_versions(status: str) -> str:
    """``name<TAB>version`` lines from the text of dpkg's status file (deb-control(5) paragraphs)."""
    lines = []
    for paragraph in status.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and not line.startswith(" ")
        )
        if "Package" in fields and "Version" in fields:
            lines.append(f"{fields['Package']}\t{fields['Version']}\n")
    return "".join(sorted(lines))


def disk_stage(cache: Cache, root: Path, data: Path, root_gb: int, swap_mib: int) -> Image:
    """The image made of the root stage and of ``data``/data.tar, which is unpacked over it."""
    inputs = {
        "stage": "disk",
        "version": 1,
        "root": [root.name, identity(root)],  # built anew it has other bytes
        "data": [data.name, identity(data)],
        "root-gb": root_gb,
        "swap-mib": swap_mib,
        "recipe": digest_files(IMAGES / "overlay", IMAGES / "units-off.txt", IMAGES / "disk.py"),
    }

    def build(folder: Path) -> None:
        log.info("image: disks (%d GB root, %d MiB swap)", root_gb, swap_mib)
        make_keys(folder)
        for name in (KERNEL, "initrd.img", "packages.tsv", "kernel-release"):
            os.link(root / name, folder / name)
        sizes = ["--root-gb", str(root_gb), "--swap-mib", str(swap_mib)]
        run_inside(
            "testbed.images.disk",
            ["--out", folder, "--keys", folder, *sizes, root / "root.tar", data / "data.tar"],
            log=folder / "build.log",
            timeout=600,
        )

    return Image(cache.obtain("disk", inputs, build))
