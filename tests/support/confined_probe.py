"""What a program in a root tree can see and do; runs in testbed.images.namespace, for test_confined.py.

The tree has the host's own programs, and a user.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil

from testbed.errors import HostError
from testbed.images.confined import add_devices, confined, feed, output, run_confined, started
from testbed.images.namespace import MS_BIND, memory_tree, mount
from testbed.images.server import served

USER = "guest"
SERVER = "trap 'exit 0' TERM; : > /tmp/socket; while :; do sleep 0.05; done"
LOOK = """
id -u; id -G
grep -E '^(Cap|NoNewPrivs)' /proc/self/status
echo "-- environment"; env
echo "-- root"; ls /proc/1/root/
echo "-- processes"; ls /proc | grep '^[0-9]'
echo "-- devices"; ls /dev
echo "-- network"; cat /proc/net/dev /proc/net/unix
echo "-- files"; ls -l /proc/self/fd /proc/1/cwd; pwd
echo "-- mounts"; cat /proc/self/mountinfo
"""


def make_tree(root: Path) -> None:
    os.umask(0o022)
    for name in ("dev", "etc", "proc", "tmp", "usr"):
        (root / name).mkdir()
    (root / "tmp").chmod(0o1777)
    mount("/usr", root / "usr", None, MS_BIND)
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "etc/passwd").write_text(f"root:x:0:0::/:/bin/sh\n{USER}:x:1234:1234::/tmp:/bin/sh\n")
    (root / "etc/group").write_text(f"root:x:0:\n{USER}:x:1234:\n")
    add_devices(root)


def error(call: Callable[[], object]) -> str:
    try:
        call()
    except HostError as caught:
        return str(caught)
    return ""


def in_vain(root: Path, *command: str) -> bool:
    """Whether a command fails."""
    return error(lambda: run_confined(root, USER, *command)) != ""


def without_end() -> Iterator[bytes]:
    while True:
        yield bytes(1 << 16)


def broken() -> Iterator[bytes]:
    yield b"x"
    raise HostError("the first of two fails")


def programs_left() -> list[str]:
    """What still runs here besides this, a moment later; the dead whom nobody has asked after do not."""
    deadline = time.monotonic() + 5
    while (left := at_work()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def at_work() -> list[str]:
    others = psutil.process_iter(["name", "status"])
    return [
        str(process.info["name"])
        for process in others
        if process.pid != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def serve(root: Path) -> Iterable[str]:
    """Words about a server's life."""
    log = root / "tmp/log"
    with served("it", root, USER, ["sh", "-c", SERVER], "/tmp/socket", log, 10):
        yield "listens"
    (root / "tmp/socket").unlink()
    yield from programs_left()
    yield error(lambda: served("it", root, USER, ["sh", "-c", "echo why >&2; exit 3"], "/tmp/no", log, 1).__enter__())


def killed(root: Path) -> list[str]:
    """What is left a moment after unshare was killed, which nothing can catch."""
    program = subprocess.Popen(confined(root, USER, "sleep", "600"))
    while "sleep" not in at_work():
        time.sleep(0.01)
    program.kill()
    program.wait()
    return programs_left()


def left_by_an_error(root: Path) -> list[str]:
    def fail() -> None:
        with started(root, USER, ["sleep", "600"], stdout=subprocess.DEVNULL):
            raise HostError("while it is at work")

    error(fail)
    return programs_left()


def main() -> None:
    secret, answer = Path(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory(dir=answer.parent) as scratch, memory_tree(Path(scratch), "64M") as root:
        make_tree(root)
        (root / "tmp/given").write_text("a tree's own")
        found = {
            "look": run_confined(root, USER, "sh", "-c", LOOK),
            "echo": run_confined(root, USER, "cat", input="said\n"),
            "out": error(lambda: run_confined(root, USER, "cat", f"/proc/1/root{secret}")),
            "barred": {
                "the host by its path": in_vain(root, "cat", str(secret)),
                "another root": in_vain(root, "chroot", "/usr"),
                "namespaces": in_vain(root, "unshare", "--map-root-user", "true"),
                "mounts": in_vain(root, "mount", "-t", "tmpfs", "none", "/tmp"),
                "devices": in_vain(root, "mknod", "/tmp/disk", "b", "8", "0"),
                "another user": in_vain(root, "setpriv", "--reuid=0", "true"),
                "our process": in_vain(root, "sh", "-c", f"kill -0 {psutil.Process().pid + 1}"),
                "the tree": in_vain(root, "touch", "/etc/passwd"),
            },
            "devices work": run_confined(
                root,
                USER,
                "sh",
                "-c",
                "head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x > /dev/null",
            ),
            "fed": error(lambda: feed(root, USER, ["sh", "-c", "cat > /tmp/fed"], [b"a" * 100_000, b"b"])),
            "fed bytes": (root / "tmp/fed").stat().st_size,
            "fed in vain": error(lambda: feed(root, USER, ["sh", "-c", "echo why >&2; exit 3"], without_end())),
            "fed by a failure": error(lambda: feed(root, USER, ["cat"], broken())),
            "put out": b"".join(output(root, USER, ["sed", "s/a/b/"], b"a\na\n")).decode(),
            "put out in vain": error(lambda: list(output(root, USER, ["sh", "-c", "echo x; exit 3"], b""))),
            "server": list(serve(root)),
            "killed": killed(root),
            "left by an error": left_by_an_error(root),
        }
    answer.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
