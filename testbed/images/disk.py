"""Make the guest's disks from tarballs; runs inside testbed.images.namespace, as ``python -m testbed.images.disk``."""

import argparse
import shutil
import tempfile
from pathlib import Path

from testbed.images.namespace import memory_tree, unpack
from testbed.process import run

IMAGES = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for root.raw and swap.raw")
    parser.add_argument("--keys", type=Path, required=True, help="folder with the SSH host key and authorized_keys")
    parser.add_argument("--root-gb", type=int, required=True)
    parser.add_argument("--swap-mib", type=int, required=True)
    parser.add_argument("tarballs", type=Path, nargs="+", help="unpacked over each other, in this order")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.out) as scratch, memory_tree(Path(scratch), "4G") as root:
        for tarball in given.tarballs:
            unpack(tarball, root)
        install_overlay(root)
        install_keys(root, given.keys)
        make_disks(root, given.out, given.root_gb, given.swap_mib)


def install_overlay(root: Path) -> None:
    """Copy testbed/images/overlay into the tree and mask the units of units-off.txt."""
    overlay = IMAGES / "overlay"
    for source in sorted(p for p in overlay.rglob("*") if p.is_file()):
        target = root / source.relative_to(overlay)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o644)
    for unit in listed(IMAGES / "units-off.txt"):
        mask = root / "etc/systemd/system" / unit
        mask.parent.mkdir(parents=True, exist_ok=True)
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")
    wanted = root / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    network = wanted / "systemd-networkd.service"
    if not network.is_symlink():
        network.symlink_to("/usr/lib/systemd/system/systemd-networkd.service")
    (root / "etc/machine-id").write_text("")


def install_keys(root: Path, keys: Path) -> None:
    """The host key that the host pins, and the one key that may log in."""
    for old in (root / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    place(keys / "host_ed25519", root / "etc/ssh/ssh_host_ed25519_key", 0o600)
    place(keys / "authorized_keys", root / "root/.ssh/authorized_keys", 0o600)
    (root / "root/.ssh").chmod(0o700)


def place(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def make_disks(root: Path, out: Path, root_gb: int, swap_mib: int) -> None:
    """root.raw (ext4, holding the tree) and swap.raw; both sparse."""
    options = "lazy_itable_init=1,lazy_journal_init=1"
    run(
        [
            "mke2fs",
            "-q",
            "-t",
            "ext4",
            "-L",
            "root",
            "-E",
            options,
            "-d",
            root,
            out / "root.raw",
            f"{root_gb}G",
        ]
    )
    swap = out / "swap.raw"
    run(["truncate", "--size", f"{swap_mib}M", swap])
    swap.chmod(0o600)
    run(["mkswap", "--quiet", "--label", "swap", swap])


def listed(path: Path) -> list[str]:
    """The lines of a list file, without comments and blanks."""
    lines = (line.split("#", 1)[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


if __name__ == "__main__":
    main()
