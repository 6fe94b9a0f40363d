"""Load the employees database into Valkey natively inside the guest's root tree; runs inside testbed.images.namespace.

The rows come from service A's database, which were verified there. What comes out is data.tar (Valkey's folder with
its dump, to be unpacked over the root) and expected.json (what the application must answer: what query.cgi must).
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.errors import HostError
from testbed.images.confined import add_devices, feed, output, run_confined
from testbed.images.namespace import memory_tree, unpack
from testbed.images.server import served
from testbed.process import run
from testbed.ssh.shell import File
from workloads.request import Expected, RowSum
from workloads.service_a.database import CLIENT, USER, owner, rdbms
from workloads.service_c.deploy import VALKEY_SOCKET, files
from workloads.service_c.settings import ServiceCSettings

STOP_SECONDS = 60
BUFFER_POOL = "128M"  # every table is read once
COMMANDS = Path(__file__).with_name("commands.sql")
ASK_MARIADB = (*CLIENT, "--raw", "--quick", "employees")
VALKEY_USER = "valkey"
VALKEY_CLIENT = ("valkey-cli", "-e", "-s", VALKEY_SOCKET)
APPLICATION_USER = "www-data"
ASK = """
import sys
sys.path.append("/srv/service_c")
from application import answer
sys.stdout.buffer.writelines(answer())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="root.tar")
    parser.add_argument("--database", type=Path, required=True, help="folder with service A's data.tar, expected.json")
    parser.add_argument("--title", required=True, help="title that the application asks for")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    os.umask(0o022)  # what is put into the tree is for its users, whatever the caller's files are like
    with tempfile.TemporaryDirectory(dir=given.out) as scratch, memory_tree(Path(scratch), "6G") as root:
        unpack(given.root, root)
        unpack(given.database / "data.tar", root)
        add_devices(root)
        install(root, files(ServiceCSettings(httpd_processes=1, application_processes=1), given.title))
        with rdbms(root, BUFFER_POOL), valkey(root):
            commands = output(root, USER, ASK_MARIADB, COMMANDS.read_bytes())
            feed(root, VALKEY_USER, [*VALKEY_CLIENT, "--pipe"], commands)
            expected = Expected(**json.loads((given.database / "expected.json").read_text()))
            check(ask(root, given.title), expected)
            run_confined(root, VALKEY_USER, *VALKEY_CLIENT, "SAVE")
        shutil.copyfile(given.database / "expected.json", given.out / "expected.json")
        run(["tar", "--create", "--numeric-owner", "--file", given.out / "data.tar", "--directory", root,
             "./var/lib/valkey"])  # fmt: skip


def install(root: Path, wanted: Sequence[File]) -> None:
    """The guest's own files, so that what is tried here is what runs there."""
    for file in wanted:
        target = root / file.target.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)


@contextmanager
def valkey(root: Path) -> Iterator[None]:
    """A Valkey server in the tree, configured as in the guest."""
    runtime = root / "run/valkey"
    runtime.mkdir(parents=True, exist_ok=True)
    shutil.chown(runtime, *owner(root / "var/lib/valkey"))
    command = ("valkey-server", "/etc/service_c/valkey.conf", "--logfile", "")
    with served("Valkey", root, VALKEY_USER, command, VALKEY_SOCKET, root / "tmp/valkey.log", STOP_SECONDS):
        yield


def ask(root: Path, title: str) -> str:
    """The answer of the application, run by the guest's own Python without its servers."""
    return run_confined(root, APPLICATION_USER, "env", f"SERVICE_C_TITLE={title}", "python3", "-c", ASK)


def check(answer: str, expected: Expected) -> None:
    """Raises HostError unless the application answers what query.cgi does."""
    rows = RowSum()
    rows.add(answer.encode())
    found = Expected(rows.rows, rows.checksum)
    if found != expected or not rows.complete:
        raise HostError(f"Valkey was not loaded as expected: the application answers {found}, not {expected}")


if __name__ == "__main__":
    main()
