"""One plan on two real worker processes, one of which is killed, and several guests at a time on one host."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from documents import blocks
from short_run import (
    CACHE,
    assert_complete,
    assert_nothing_left,
    command,
    configuration,
    finish,
    runs,
    short_folders,
    start,
)

from experiment.places import certificate
from testbed import ledger
from testbed.process import PROJECT

pytestmark = pytest.mark.guest

PLAN = ("--conditions", "baseline,working-set", "--replicates", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    configuration(tmp_path)
    before = short_folders()
    yield tmp_path
    assert_nothing_left(before)


@contextmanager
def ended(process: "subprocess.Popen[str]", limit: float = 90) -> Iterator["subprocess.Popen[str]"]:
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(limit)
        finally:
            process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def head(cell: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads((cell / "cell.jsonl").read_text().splitlines()[0])
    return record


def worker_that_records(
    step: str, workers: Sequence["subprocess.Popen[str]"], limit: float = 300
) -> "subprocess.Popen[str]":
    """The worker whose cell has come to that step: a process of its own has the cell's record open."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        for path in CACHE.glob("records-*/*/cell.jsonl"):
            for worker in workers:
                children = psutil.Process(worker.pid).children()
                own = any(file.path == str(path) for child in children for file in child.open_files())
                if own and f'"step": "{step}"' in path.read_text():
                    return worker
        time.sleep(0.1)
    raise AssertionError(f"no worker came to {step}")


@pytest.mark.skipif(not os.environ.get("PAGING_SURVIVAL"), reason="takes long: make survival")
def test_guests_side_by_side_on_one_host(folder: Path) -> None:
    done = finish(folder, *PLAN, "--jobs", "2")
    assert done.returncode == 0
    assert "2 guests run side by side: times are disturbed" in done.stdout
    (run,) = runs(folder)
    assert_complete(run)
    assert {head(cell)["guests"] for cell in (run / "cells").iterdir()} == {2}
    assert "Up to 2 guests ran side by side" in (run / "report.html").read_text()


@pytest.mark.skipif(not os.environ.get("PAGING_SURVIVAL"), reason="takes long: make survival")
def test_the_slurm_script_of_the_document_where_srun_begins_two_workers(folder: Path) -> None:
    text = (PROJECT / "docs" / "cluster.md").read_text()
    (script,) = blocks(text, "", has=("$SLURM_NNODES",))
    here = {
        ".venv/bin/python run.py": "$RUN",
        ' --cache "${XDG_CACHE_HOME:-$HOME/.cache}/container-paging-$(hostname)"': "",
        ":8786": f":{free_port()}",
        "--suite controls,peers": shlex.join(PLAN),
    }
    for words, instead in here.items():
        assert words in script
        script = script.replace(words, instead)
    (folder / "paging.sbatch").write_text(script)
    (folder / "srun").write_text('#!/bin/sh\n"$@" &\n"$@" &\nwait\n')
    (folder / "srun").chmod(0o755)
    certificate.make(folder / "paging-tls", 1)
    run_py = command(folder)
    environment = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "SLURM_NNODES": "2",
        "RUN": shlex.join([run_py[0], str(PROJECT / run_py[1]), *run_py[2:]]),
    }
    job = subprocess.Popen(["bash", "-e", "paging.sbatch"], cwd=folder, env=environment, start_new_session=True)
    try:
        assert job.wait(900) == 0
        assert not is_any_left(job.pid), "the script ends what it began"
        (run,) = runs(folder)
        assert_complete(run)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)


def is_any_left(group: int) -> bool:
    """Of a group of processes."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_workers_one_of_them_killed_in_the_middle(folder: Path) -> None:
    certificate.make(folder / "paging-tls", 1)
    tls, address = ("--tls", str(folder / "paging-tls")), f"tls://127.0.0.1:{free_port()}"
    with (
        ended(subprocess.Popen(command(folder, "scheduler", *tls, address), cwd=PROJECT, text=True)),
        ended(subprocess.Popen(command(folder, "worker", *tls, address), cwd=PROJECT, text=True)) as first,
        ended(subprocess.Popen(command(folder, "worker", *tls, address), cwd=PROJECT, text=True)) as second,
    ):
        runner = start(folder, *PLAN, *tls, "--scheduler", address, "--workers", "2")
        lost = worker_that_records("alpha-ready", [first, second])
        lost.kill()
        said, _ = runner.communicate(timeout=600)
        print(said)
        assert runner.returncode == 0
        assert re.search(r"cell 2 of 2: .* s, major faults httpd \d+, rdbms \d+, query.cgi \d+; ok; 0 s left", said)
        assert said.count("WorkerLost") + said.count("is gone") >= 1
        (run,) = runs(folder)
        assert_complete(run)
        assert sum("(attempt 2)" in line for line in said.splitlines()) == 1
        assert len(list((run / "cells").iterdir())) == 2
    ledger.reconcile(CACHE)  # what the killed worker itself had made
