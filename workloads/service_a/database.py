"""Load the employees database natively inside the guest's root tree; runs inside testbed.namespace.

Emulated, the same load would take many minutes. What comes out is data.tar (the RDBMS's data folder, to be
unpacked over the root) and expected.json (the rows and checksum that query.cgi must answer).
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.namespace import MS_BIND, add_kernel_files, memory_tree, mount, unpack
from testbed.process import run
from testbed.server import served
from workloads.service_a.dataset import EXPECTED_ROWS, verify

SOCKET = "/run/mysqld/mysqld.sock"
STOP_SECONDS = 120
# Durability is for data that would be lost; this load is redone if it dies.
FAST = (
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-innodb-doublewrite",
    "--skip-log-bin",
    "--skip-networking",
)
READER = "www-data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="root.tar")
    parser.add_argument("--dataset", type=Path, required=True, help="folder that the SQL scripts are run in")
    parser.add_argument("--script", action="append", required=True, help="SQL script below it, in order")
    parser.add_argument("--source", required=True, help="where the rows come from; the public ones have MD5 values")
    parser.add_argument("--label", required=True, help="what messages call the dataset")
    parser.add_argument("--title", required=True, help="title that query.cgi asks for")
    parser.add_argument("--buffer-pool", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.out) as scratch, memory_tree(Path(scratch), "6G") as root:
        unpack(given.root, root)
        add_kernel_files(root)
        mount(str(given.dataset.resolve()), root / "mnt", None, MS_BIND)
        with rdbms(root, given.buffer_pool):
            load(root, given.script)
            verify(lambda sql: query(root, sql), given.source, given.label)
            (given.out / "expected.json").write_text(json.dumps(expected_answer(root, given.title)))
        # /var/lib/mysql alone: everything else comes from the root stage.
        run(["tar", "--create", "--numeric-owner", "--file", given.out / "data.tar", "--directory", root,
             "./var/lib/mysql"])  # fmt: skip


@contextmanager
def rdbms(root: Path, buffer_pool: str) -> Iterator[None]:
    """A MariaDB server in the tree, ended in order so that its files are clean and its buffer pool is listed."""
    runtime = root / "run/mysqld"
    runtime.mkdir(parents=True, exist_ok=True)
    shutil.chown(runtime, *owner(root / "var/lib/mysql"))
    command = ("mariadbd", "--user=mysql", f"--innodb-buffer-pool-size={buffer_pool}",
               "--innodb-buffer-pool-dump-pct=100", *FAST)  # fmt: skip
    with served("MariaDB", root, command, SOCKET, root / "tmp/rdbms.log", STOP_SECONDS):
        yield


def owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


def load(root: Path, scripts: list[str]) -> None:
    for script in scripts:
        client(root, f"source {script}", database=None)
    tables = ", ".join(EXPECTED_ROWS)
    query(
        root,
        f"CREATE USER '{READER}'@'localhost' IDENTIFIED VIA unix_socket;"
        f"GRANT SELECT ON employees.* TO '{READER}'@'localhost';"
        # The same index statistics at every build, so that the join has the same plan.
        f"ANALYZE TABLE {tables} PERSISTENT FOR COLUMNS () INDEXES ()",
    )


def expected_answer(root: Path, title: str) -> dict[str, int]:
    """Rows and sum of CRC-32 of query.cgi's lines, computed by the RDBMS itself (CRC32() is zlib's)."""
    answer = query(
        root,
        "SELECT COUNT(*), SUM(CRC32(CONCAT(e.first_name, '\\t', e.last_name, '\\t', t.title, '\\n'))) "
        "FROM employees e JOIN titles t ON t.emp_no = e.emp_no WHERE t.title = " + quoted(title),
    )
    rows, checksum = answer.split()
    return {"rows": int(rows), "checksum": int(checksum)}


def quoted(text: str) -> str:
    """A string literal of SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def query(root: Path, sql: str) -> str:
    """SQL in the employees database; the answer tab-separated, without headings."""
    return client(root, sql, database="employees")


def client(root: Path, sql: str, database: str | None) -> str:
    names = [database] if database else []
    inside = ["mariadb", "--batch", "--skip-column-names", "--local-infile=1", *names]
    # chroot(8) leaves the working folder at its root; the scripts name their files relative to theirs.
    return run(["chroot", root, "sh", "-c", 'cd /mnt && exec "$@"', "sh", *inside], input=sql)


if __name__ == "__main__":
    main()
