"""Programs that run natively in a root tree while an image is made, and may come to obey what others have written.

Each has a root, processes, a network and System V's objects of its own (chroot(2), namespaces(7)), and is an ordinary
user of the tree's who has no capability and gets none. So neither /proc nor anything else that it can name leads to
a file or process outside the tree. To be used in testbed.images.namespace.
"""

import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, cast

from testbed.images.namespace import MS_BIND, mount
from testbed.process import failure, run, tail

DEVICES = ("null", "zero", "random", "urandom")
BLOCK = 1 << 16  # bytes


def add_devices(root: Path) -> None:
    """Give a root tree the few of the host's devices that programs need; one alone a user namespace may bind, too."""
    for name in DEVICES:
        device = root / "dev" / name
        device.touch()
        mount(f"/dev/{name}", device, None, MS_BIND)


def confined(root: Path, user: str, *command: str) -> list[str]:
    """The command line of ``command`` in the tree ``root``, as ``user`` and the group of that name there.

    Its environment is that of a login. It is killed when unshare is.
    """
    alone = ["--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", f"--root={root}", "--mount-proc"]
    nobody = [
        f"--reuid={user}", f"--regid={user}", "--init-groups", "--reset-env", "--no-new-privs",
        "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all",
        "--pdeathsig=keep",  # which a change of the user clears
    ]  # fmt: skip
    return ["unshare", *alone, "/usr/bin/setpriv", *nobody, *command]


def run_confined(root: Path, user: str, *command: str, input: str = "") -> str:
    """Run ``command`` to its end and return its standard output. Raises HostError if it fails."""
    return run(confined(root, user, *command), input=input)


def feed(root: Path, user: str, command: Sequence[str], blocks: Iterable[bytes]) -> None:
    """Run ``command`` with ``blocks`` as its standard input. Raises HostError with what it said last if it fails."""
    with (
        started(root, user, command, stdout=subprocess.DEVNULL) as program,
        suppress(BrokenPipeError),  # it has ended early, and says why
        cast(IO[bytes], program.stdin) as sink,
    ):
        sink.writelines(blocks)


def output(root: Path, user: str, command: Sequence[str], given: bytes) -> Iterator[bytes]:
    """What ``command`` answers to ``given``, no more than a pipe holds. Raises HostError as ``feed`` does."""
    with started(root, user, command, stdout=subprocess.PIPE) as program:
        with cast(IO[bytes], program.stdin) as sink:
            sink.write(given)
        with cast(IO[bytes], program.stdout) as source:
            yield from iter(partial(source.read, BLOCK), b"")


@contextmanager
def started(root: Path, user: str, command: Sequence[str], *, stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    """``command`` at work, which is over at the end of the block; killed if that is left by an error."""
    words = confined(root, user, *command)
    with tempfile.NamedTemporaryFile(dir=root / "tmp") as errors:
        program = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=stdout, stderr=errors)
        try:
            yield program
            code = program.wait()
        finally:
            program.kill()
            program.wait()
        if code != 0:
            raise failure(words, code, tail(Path(errors.name)), None)
