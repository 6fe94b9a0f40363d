"""Work that needs root's view of files, without being root.

``run_inside`` starts a Python module of this project in new mount and PID namespaces (and, for an ordinary user,
a user namespace in which that user is root: user_namespaces(7)). What the module mounts vanishes with it, and every
process that it leaves behind ends with it, also when it is killed.
"""

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.errors import HostError
from testbed.process import PROJECT, run

MS_BIND, MNT_DETACH = 0x1000, 2


def alone() -> list[str]:
    """Words before a command that is to be root in namespaces of its own.

    When unshare ends, however it does, so does all that runs in it and all that it has mounted.
    """
    mapping = [] if os.geteuid() == 0 else ["--map-root-user", "--map-auto"]
    return ["unshare", *mapping, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def run_inside(module: str, arguments: Sequence[str | os.PathLike[str]], *, log: Path, timeout: float) -> None:
    """Run ``python -m module arguments`` as root of its own namespaces; its output is appended to ``log``.

    Raises HostError if namespaces cannot be had or the module fails.
    """
    run(
        [
            *alone(),
            sys.executable,
            "-m",
            module,
            *arguments,
        ],
        log=log,
        timeout=timeout,
        cwd=PROJECT,
        grace=0,
        env={"PATH": with_sbin()},
        hint="without root, the package uidmap and a range in /etc/subuid are needed: python run.py doctor",
    )


def with_sbin() -> str:
    """PATH for programs of root's, such as chroot and mke2fs: an ordinary user's lacks their folders."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def mount(source: str, target: Path, kind: str | None, flags: int = 0, options: str = "") -> None:
    """mount(2). Raises HostError with errno's text."""
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.mount(
        source.encode(), os.fsencode(target), kind.encode() if kind else None, flags, options.encode() or None
    )
    if done != 0:
        raise HostError(f"mount {source} on {target}: {os.strerror(ctypes.get_errno())}")


@contextmanager
def memory_tree(directory: Path, size: str) -> Iterator[Path]:
    """An empty tmpfs of at most ``size`` (tmpfs(5)) on ``directory``, seen in this mount namespace alone."""
    mount("tmpfs", directory, "tmpfs", options=f"size={size},mode=0755")
    try:
        yield directory
    finally:
        ctypes.CDLL(None).umount2(os.fsencode(directory), MNT_DETACH)


def unpack(tarball: Path, root: Path) -> None:
    """Unpack a root tree's tarball; without /dev, whose nodes a user namespace may not make and devtmpfs has."""
    flags = ["--extract", "--numeric-owner", "--xattrs", "--exclude=./dev/*"]
    run(["tar", *flags, "--file", tarball, "--directory", root])
