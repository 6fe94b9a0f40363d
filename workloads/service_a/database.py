"""Load the employees database natively inside the guest's root tree; runs inside testbed.images.namespace.

Emulated, the same load would take many minutes. What comes out is data.tar (the RDBMS's data folder, to be
unpacked over the root) and expected.json (the rows and checksum that query.cgi must answer).
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path

from testbed.images.confined import BLOCK, add_devices, feed, run_confined
from testbed.images.namespace import memory_tree, unpack
from testbed.images.server import served
from testbed.process import run
from workloads.service_a.dataset import EXPECTED_ROWS, verify
from workloads.service_a.dataset.scripts import AFTER, BEFORE, SCHEMA, TAB_SEPARATED, load_tab_separated

USER = "mysql"  # whom MariaDB lets do everything, by its socket
# A client that obeys no commands of its own: "binary mode" leaves it those for delimiter and character set, and the
# sandbox, where there is one, bars all that reach for a file or a program. Nor does it read files for the server.
CLIENT = ("mariadb", "--batch", "--skip-column-names", "--binary-mode", "--loose-sandbox", "--skip-local-infile",
          "--default-character-set=utf8mb4")  # fmt: skip
ROWS = "/srv/rows"  # the one folder whose files the server reads; it may write none there
SOCKET = "/run/mysqld/mysqld.sock"
STOP_SECONDS = 120
# Durability is for data that would be lost; this load is redone if it dies.
FAST = (
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-innodb-doublewrite",
    "--skip-log-bin",
    "--skip-networking",
)
CLOSED = ("--skip-local-infile", f"--secure-file-priv={ROWS}")
READER = "www-data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="root.tar")
    parser.add_argument("--dataset", type=Path, required=True, help="folder with the files of rows")
    parser.add_argument("--rows", action="append", required=True, help="file in it, in the order of loading")
    parser.add_argument("--source", required=True, help="where the rows come from; the public ones have MD5 values")
    parser.add_argument("--label", required=True, help="what messages call the dataset")
    parser.add_argument("--title", required=True, help="title that query.cgi asks for")
    parser.add_argument("--buffer-pool", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.out) as scratch, memory_tree(Path(scratch), "6G") as root:
        unpack(given.root, root)
        add_devices(root)
        with rdbms(root, given.buffer_pool):
            load(root, [given.dataset / name for name in given.rows])
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
    rows = root / ROWS.lstrip("/")
    rows.mkdir(exist_ok=True)
    rows.chmod(0o755)
    command = ("/usr/sbin/mariadbd", f"--innodb-buffer-pool-size={buffer_pool}",
               "--innodb-buffer-pool-dump-pct=100", *FAST, *CLOSED)  # fmt: skip
    with served("MariaDB", root, USER, command, SOCKET, root / "tmp/rdbms.log", STOP_SECONDS):
        yield


def owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


def load(root: Path, files: Sequence[Path]) -> None:
    run_confined(root, USER, *CLIENT, input=SCHEMA)
    for file in files:
        load_rows(root, file)
    tables = ", ".join(EXPECTED_ROWS)
    query(
        root,
        f"CREATE USER '{READER}'@'localhost' IDENTIFIED VIA unix_socket;"
        f"GRANT SELECT ON employees.* TO '{READER}'@'localhost';"
        # The same index statistics at every build, so that the join has the same plan.
        f"ANALYZE TABLE {tables} PERSISTENT FOR COLUMNS () INDEXES ()",
    )


def load_rows(root: Path, file: Path) -> None:
    """Load one of the files that Dataset.write has written."""
    if file.suffix == TAB_SEPARATED:
        with in_reach(root, file) as path:
            query(root, BEFORE + load_tab_separated(path, file.stem) + AFTER)
    else:
        with file.open("rb") as dump:
            rows = iter(partial(dump.read, BLOCK), b"")
            feed(root, USER, [*CLIENT, "employees"], chain([BEFORE.encode()], rows, [AFTER.encode()]))


@contextmanager
def in_reach(root: Path, file: Path) -> Iterator[str]:
    """The path, in the tree, of a copy of ``file`` that the server may read; it takes memory for that long."""
    path = f"{ROWS}/{file.name}"
    copy = Path(shutil.copyfile(file, root / path.lstrip("/")))
    copy.chmod(0o644)
    try:
        yield path
    finally:
        copy.unlink()


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
    return run_confined(root, USER, *CLIENT, "employees", input=sql)


if __name__ == "__main__":
    main()
