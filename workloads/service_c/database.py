"""Load the employees database into Valkey natively inside the guest's root tree; runs inside testbed.namespace.

The rows come from service A's database, which were verified there. What comes out is data.tar (Valkey's folder with
its dump, to be unpacked over the root) and expected.json (what the application must answer: what query.cgi must).
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.errors import HostError
from testbed.namespace import add_kernel_files, memory_tree, unpack
from testbed.process import run
from testbed.server import served
from testbed.shell import File
from workloads.service_a.database import rdbms
from workloads.service_a.request import Expected, RowSum
from workloads.service_c.deploy import VALKEY_SOCKET, ServiceC, files

STOP_SECONDS = 60
BUFFER_POOL = "128M"  # every table is read once
COMMANDS = Path(__file__).with_name("commands.sql")
LOAD = f"mariadb --batch --raw --quick --skip-column-names employees | valkey-cli -s {VALKEY_SOCKET} --pipe"
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
    with tempfile.TemporaryDirectory(dir=given.out) as scratch, memory_tree(Path(scratch), "6G") as root:
        unpack(given.root, root)
        unpack(given.database / "data.tar", root)
        add_kernel_files(root)
        install(root, files(ServiceC(given.title, httpd_processes=1, application_processes=1)))
        with rdbms(root, BUFFER_POOL), valkey(root):
            run(["chroot", root, "bash", "-o", "pipefail", "-c", LOAD], input=COMMANDS.read_text())
            expected = Expected(**json.loads((given.database / "expected.json").read_text()))
            check(ask(root, given.title), expected)
            client(root, "SAVE")
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
    run(["chroot", root, "install", "-d", "-o", "valkey", "-g", "valkey", "/run/valkey"])
    command = ("setpriv", "--reuid=valkey", "--regid=valkey", "--init-groups",
               "valkey-server", "/etc/service_c/valkey.conf", "--logfile", "")  # fmt: skip
    with served("Valkey", root, command, VALKEY_SOCKET, root / "tmp/valkey.log", STOP_SECONDS):
        yield


def client(root: Path, *command: str) -> str:
    return run(["chroot", root, "valkey-cli", "-e", "-s", VALKEY_SOCKET, *command])


def ask(root: Path, title: str) -> str:
    """The answer of the application, run by the guest's own Python without its servers."""
    return run(["chroot", root, "env", f"SERVICE_C_TITLE={title}", "python3", "-c", ASK])


def check(answer: str, expected: Expected) -> None:
    """Raises HostError unless the application answers what query.cgi does."""
    rows = RowSum()
    rows.add(answer.encode())
    found = Expected(rows.rows, rows.checksum)
    if found != expected or not rows.complete:
        raise HostError(f"Valkey was not loaded as expected: the application answers {found}, not {expected}")


if __name__ == "__main__":
    main()
