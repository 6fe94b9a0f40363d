"""Dumps that mean harm, given to the real client as if they were the public repository's; for test_native.py.

Runs inside testbed.images.namespace, in a tree unpacked from the image's root stage.
"""

import json
import sys
import tempfile
from pathlib import Path

from testbed.errors import HostError
from testbed.images.confined import add_devices, run_confined
from testbed.images.namespace import memory_tree, unpack
from workloads.service_a.database import CLIENT, ROWS, USER, load, load_rows, query, rdbms
from workloads.service_a.dataset.scripts import SCHEMA

MARK = "reached"


def attacks(host: Path) -> dict[str, str]:
    """Name -> dump. ``host``: a folder outside the tree, with a file ``secret``; MARK is what an attack makes."""
    out = f"/proc/1/root{host}/{MARK}"
    harmless = "INSERT INTO departments VALUES ('d009','Support');"
    texts = {
        "system, behind a row": f"{harmless} system touch {out} /tmp/{MARK};",
        "system, in a line of its own": f"system touch {out} /tmp/{MARK}",
        "\\!": f"\\! touch {out} /tmp/{MARK}",
        "\\!, behind a row": f"{harmless} \\! touch {out} /tmp/{MARK}",
        "\\-, then \\!": f"\\-\n\\! touch {out} /tmp/{MARK}",
        "source": "source /tmp/other.sql",
        "\\.": "\\. /tmp/other.sql",
        "tee": f"tee /tmp/{MARK}\nSELECT 1;",
        "\\T": f"\\T /tmp/{MARK}\nSELECT 1;",
        "pager": f"pager cat > /tmp/{MARK}\nSELECT 1;",
        "\\P": f"\\P cat > /tmp/{MARK}\nSELECT 1;",
        "edit": "edit\nSELECT 1;",
        "\\e": "\\e\nSELECT 1;",
        "delimiter": f"delimiter //\nSELECT 1//\nsystem touch {out} /tmp/{MARK}//\n",
        "\\d": f"\\d //\nSELECT 1//\nsystem touch {out} /tmp/{MARK}//\n",
        "a comment's sandbox": f"/*M!999999\\- */\n\\! touch {out} /tmp/{MARK}",
        "LOAD DATA LOCAL": f"LOAD DATA LOCAL INFILE '{host}/secret' INTO TABLE departments;",
        "LOAD DATA": "LOAD DATA INFILE '/etc/passwd' INTO TABLE departments;",
        "OUTFILE": f"SELECT 'x' INTO OUTFILE '/tmp/{MARK}';",
        "OUTFILE where rows are": f"SELECT 'x' INTO OUTFILE '{ROWS}/{MARK}';",
        "OUTFILE on the host": f"SELECT 'x' INTO OUTFILE '{out}';",
        "LOAD_FILE": f"INSERT INTO departments SELECT 'd999', LOAD_FILE('/proc/1/root{host}/secret');",
        "a log on the host": f"SET GLOBAL general_log_file = '{out}'; SET GLOBAL general_log = 1;",
        "a library": "CREATE FUNCTION f RETURNS INTEGER SONAME '../../../../tmp/f.so';",
    }
    return {name: f"{text}\n" for name, text in texts.items()}


def answer_to(root: Path, dump: Path) -> str:
    try:
        load_rows(root, dump)
    except HostError as error:
        return str(error)
    return ""


def main() -> None:
    root_tar, host, answer = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory(dir=host) as scratch, memory_tree(Path(scratch), "4G") as root:
        unpack(root_tar, root)
        add_devices(root)
        (root / "tmp/other.sql").write_text("CREATE TABLE employees.sourced (i INT);\n")
        (root / "tmp/other.sql").chmod(0o644)
        with rdbms(root, "64M"):
            load(root, sorted((host / "rows").iterdir()))
            before = query(root, "SELECT COUNT(*) FROM titles, salaries;")
            run_confined(root, USER, *CLIENT, input=SCHEMA)
            answers = {}
            for name, text in attacks(host).items():
                dump = host / "attack.dump"
                dump.write_text(text)
                answers[name] = answer_to(root, dump)
            after = query(root, "SHOW TABLES; SELECT * FROM departments;")
        made = [
            str(path.relative_to(root)) for top in ("tmp", "srv", "var", "run") for path in (root / top).rglob(MARK)
        ]
    answer.write_text(json.dumps({"loaded": before.strip(), "answers": answers, "database": after, "made": made}))


if __name__ == "__main__":
    main()
