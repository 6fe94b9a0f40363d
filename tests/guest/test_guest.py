"""The whole harness on a real guest, through run.py as a user calls it, in order of what the image costs.

They share the project's cache, so that image and warm snapshots are built once. What they leave is in tmp_path.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from short_run import configuration, processes
from words import in_folders

from configuration.condition import LXC
from configuration.load import load
from experiment.building.image import build_image, resolve
from experiment.building.snapshot import Snapshot, inputs
from experiment.fork import fork as fork_of
from measure.stream import Start, read_stream
from testbed.accelerator import ASKED_SECONDS, choose, probe
from testbed.cache import Cache, default_cache
from testbed.guest import Guest
from testbed.process import PROJECT
from testbed.ssh.shell import Shell
from workloads.service_a.dataset import EXPECTED_ROWS

pytestmark = pytest.mark.guest

CACHE = default_cache()
MIB = 1024 * 1024


def run(results: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "run.py", *in_folders(words, results=results, cache=CACHE)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=1500, check=False)
    print(done.stdout, done.stderr)
    return done


def cell_records(results: Path, cell: str) -> list[dict[str, Any]]:
    path = results / "latest" / "cells" / cell / "cell.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def table(results: Path, name: str) -> list[dict[str, str]]:
    with (results / "latest" / "tables" / name).open() as file:
        return list(csv.DictReader(file))


def overlays() -> set[str]:
    """Folders of copy-on-write disks in our cache."""
    return {path.name for path in (CACHE / "guests").glob("*")}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results/ of one --quick run."""
    results = tmp_path_factory.mktemp("quick")
    before = overlays()
    done = run(results, "--config", str(configuration(results, steps={})), "--quick")
    assert done.returncode == 0, done.stderr
    assert overlays() <= before, "overlays are gone with their guests"
    return results


def test_quick_leaves_two_cells_that_count(quick: Path) -> None:
    for cell in ("01-baseline", "01-working-set"):
        records = cell_records(quick, cell)
        assert records[-1] == {"type": "end", "complete": True, "valid": True, "kind": "", "reason": ""}
        response = next(r for r in records if r["type"] == "response")
        assert (response["rows"], response["ok"]) == (115003, True)
        checks = {r["check"]: r["ok"] for r in records if r["type"] == "check"}
        watched = {"ticks", "sampler-late", "sampler-faults", "stream", "clock", "host"}
        assert set(checks) == {"response", "alpha", "swapped-out", "oom", *watched}
        assert all(checks.values())
        steps = [r["step"] for r in records if r["type"] == "step"]
        before = ["restore", "restored", "ready", "alpha-start", "alpha-ready"]
        assert steps == [*before, "recording", "request", "first-byte", "response", "stop"]
        assert 'type="qemu"' in (quick / "latest/cells" / cell / "domain.xml").read_text().replace("'", '"') or (
            "kvm" in (quick / "latest/cells" / cell / "domain.xml").read_text()
        )
    assert {p.name for p in (quick / "latest/figures").iterdir()} >= {
        "curves.png",
        "curves.svg",
        "bars.png",
        "block_io.svg",
    }
    assert "2 of 2 cells count." in (quick / "latest/report.html").read_text()
    manifest = json.loads((quick / "latest/manifest.json").read_text())
    assert manifest["guest"]["kernel"].startswith("6.")
    assert manifest["guest"]["packages"]["mariadb-server"]
    assert manifest["dataset"]["label"]


def test_nothing_is_left_behind(quick: Path) -> None:
    assert quick.exists()
    assert [process.cmdline() for process in processes()] == []


def test_the_prefetch_takes_away_most_of_the_rdbmss_major_faults(quick: Path) -> None:
    faults = {row["condition"]: float(row["majflt_rdbms"]) for row in table(quick, "cells.csv")}
    assert faults["baseline"] >= 100, "without pressure nothing was shown"
    assert faults["working-set"] <= 0.3 * faults["baseline"]
    # Of what was asked for at the request: threads of MariaDB's own may begin an activation seconds before it.
    (prefetched,) = [row for row in table(quick, "outcomes.csv") if row["condition"] == "working-set"]
    assert float(prefetched["precision"]) >= 0.8


def test_report_writes_the_same_bytes_again(quick: Path) -> None:
    tables = quick / "latest" / "tables"
    before = {p.name: p.read_bytes() for p in tables.iterdir()}
    (tables / "cells.csv").unlink()
    assert run(quick, "report", "latest").returncode == 0
    assert {p.name: p.read_bytes() for p in tables.iterdir()} == before


@pytest.fixture(scope="class")
def fork(quick: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guest, Shell]]:
    """A running fork of the lxc snapshot that the quick run left in the cache."""
    assert quick.exists()
    settings = load(PROJECT / "experiments.toml")
    cache = Cache(CACHE.resolve())
    image, _ = build_image(cache, settings, resolve(settings, cache))
    accelerator = choose("auto", image.kernel, cache.directory)
    folder = cache.find("snapshot-lxc", inputs(cache, settings.for_base(LXC), image, accelerator))
    assert folder is not None
    snapshot = Snapshot(folder, LXC, image)
    with fork_of(settings.for_base(LXC), snapshot, tmp_path_factory.mktemp("fork")) as (guest, shell):
        yield guest, shell


class TestAFork:
    """Looked at from inside; the guest ends with the class."""

    def test_the_papers_guest_and_its_containers(self, fork: tuple[Guest, Shell]) -> None:
        _, shell = fork
        memory = dict(line.split(":") for line in shell.run("cat", "/proc/meminfo").splitlines())
        assert 900 * 1024 < int(memory["MemTotal"].split()[0]) <= 1024 * 1024
        assert int(memory["SwapTotal"].split()[0]) // 1024 == 1023
        assert shell.run("nproc").strip() == "2"
        ceiling = shell.run("cat", "/sys/fs/cgroup/lxc.payload.service_a/memory.max")
        assert int(ceiling) == 819 * MIB
        inside = shell.run("lxc-info", "--name=service_a", "--state", "--no-humanize").strip()
        assert inside == "RUNNING"
        named = shell.run(
            "sh",
            "-c",
            "cat $(find /sys/fs/cgroup/lxc.payload.service_a -name cgroup.procs) | xargs -I@ cat /proc/@/comm",
        )
        assert {"apache2", "mariadbd"} <= set(named.split())

    def test_the_database_is_the_papers(self, fork: tuple[Guest, Shell]) -> None:
        _, shell = fork
        client = [
            "lxc-attach",
            "--name=service_a",
            "--",
            "mariadb",
            "--batch",
            "--skip-column-names",
            "employees",
            "-e",
        ]
        assert shell.run(*client, "SELECT @@innodb_buffer_pool_size").strip() == str(655 * MIB)
        for name in ("employees", "titles"):
            assert int(shell.run(*client, f"SELECT COUNT(*) FROM {name}")) == EXPECTED_ROWS[name]

    def test_the_guest_has_no_way_out_and_its_ports_are_on_loopback(self, fork: tuple[Guest, Shell]) -> None:
        guest, shell = fork
        # 10.0.2.2 is the host as the guest sees it; sshd of this very guest is forwarded, so something listens there.
        script = 'timeout 5 bash -c "exec 3<>/dev/tcp/$1/$2" 2> /dev/null && echo reached || echo closed'

        def attempt(address: str, port: int) -> str:
            return shell.run("sh", "-c", script, "sh", address, str(port)).strip()

        assert attempt("127.0.0.1", 22) == "reached", "the test itself works"
        assert attempt("10.0.2.2", guest.ssh_port) == "closed"
        assert attempt("192.0.2.1", 80) == "closed"
        listening = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ours = {f"{guest.ssh_port:04X}", f"{guest.http_port:04X}"}
        addresses = {
            local.split(":")[0] for local, _, state in listening if local.split(":")[1] in ours and state == "0A"
        }
        assert addresses == {"0100007F"}


def test_the_clock_and_the_channels_work_after_a_restore(quick: Path) -> None:
    cell = quick / "latest/cells/01-working-set"
    noted = next(r for r in cell_records(quick, "01-working-set") if r.get("step") == "recording")
    start = next(r for r in read_stream(cell / "samples.jsonl") if isinstance(r, Start))
    assert abs(start.wall - noted["wall"]) < 5, "the guest's clock was set after the restore"
    assert '"event":"issue"' in (cell / "prefetch.jsonl").read_text()
    assert '"event":"ready"' in (cell / "alpha.jsonl").read_text()


def test_figure_1_on_plain_processes(tmp_path: Path) -> None:
    # There is no prefetcher to learn from activations, and each costs half a minute.
    plain = str(configuration(tmp_path, steps={}, warm={"activations": 0}))
    done = run(tmp_path, "--config", plain, "--conditions", "figure1", "--replicates", "1")
    assert done.returncode == 0, done.stderr
    assert {"figure1.png", "figure1.svg"} <= {p.name for p in (tmp_path / "latest/figures").iterdir()}
    rows = [r for r in table(tmp_path, "faults.csv") if r["condition"] == "figure1"]
    before = {r["role"]: float(r["majflt"]) for r in rows if float(r["t"]) <= 10.0}
    last = {r["role"]: float(r["majflt"]) for r in rows}
    assert before["httpd"] <= 5
    assert before["rdbms"] <= 30, "but for its background threads, the RDBMS does not fault before the request"
    assert last["httpd"] > before["httpd"]
    assert last["rdbms"] > last["httpd"], "the RDBMS's faults rise higher"


def test_the_papers_policy(tmp_path: Path) -> None:
    done = run(tmp_path, "--config", str(configuration(tmp_path)), "--conditions", "siblings", "--replicates", "1")
    assert done.returncode == 0, done.stderr
    (siblings,) = [row for row in table(tmp_path, "cells.csv") if row["condition"] == "siblings"]
    swapped_mib = 50
    assert float(siblings["prefetch_issued"]) > swapped_mib * 256, "all of the siblings' swapped-out pages"


def test_slow_disks_and_a_service_that_stays_in_memory(tmp_path: Path) -> None:
    short = str(configuration(tmp_path))
    chosen = ("--suite", "prefetcher", "--conditions", "unpressured,baseline-200", "--replicates", "1")
    done = run(tmp_path, "--config", short, *chosen)
    assert done.returncode == 0, done.stderr
    slow, resident = (cell_records(tmp_path, f"01-{name}") for name in ("baseline-200", "unpressured"))
    assert next(r for r in slow if r.get("step") == "restored")["disk_iops"] == {"vda": 200, "vdb": 200}
    assert "total_iops_sec" in (tmp_path / "latest/cells/01-baseline-200/domain.xml").read_text()
    assert next(r for r in resident if r.get("step") == "restored")["disk_iops"] == {"vda": 0, "vdb": 0}
    steps = [r["step"] for r in resident if r["type"] == "step"]
    assert steps[3:6] == ["warm-up-request", "warm-up-response", "recording"]
    assert "swapped-out" not in {r["check"] for r in resident if r["type"] == "check"}
    faults = {row["condition"]: float(row["majflt_rdbms"]) for row in table(tmp_path, "cells.csv")}
    assert faults["unpressured"] <= 10 < 100 <= faults["baseline-200"]
    manifest = json.loads((tmp_path / "latest/manifest.json").read_text())
    assert manifest["suite"]["conditions"] == ["unpressured", "baseline-200"]


def test_kvm_is_refused_with_its_reason_where_it_does_not_work(tmp_path: Path) -> None:
    settings = load(PROJECT / "experiments.toml")
    cache = Cache(CACHE.resolve())
    image, _ = build_image(cache, settings, resolve(settings, cache))
    works = probe(image.kernel, ASKED_SECONDS).found
    done = run(tmp_path, "--accel", "kvm", "--conditions", "baseline", "--replicates", "1")
    if works.name == "kvm":
        assert done.returncode == 0
    else:
        assert done.returncode == 3
        assert "KVM does not work here" in done.stderr
        assert not (tmp_path / "latest").exists(), "nothing was started"
        assert "/dev/kvm" in done.stderr
