"""Cells on other hosts, through a real Dask scheduler with workers in this process; what they run is made up."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import LocalCluster, get_worker
from documents import blocks
from rich.console import Console

from experiment import archive, cluster
from experiment.cell import Outcome
from experiment.cluster import Cluster, refuse_namesakes
from experiment.condition import LXC
from experiment.config import load
from experiment.plan import Cell
from experiment.pools import this_host
from experiment.progress import Progress, Watched
from experiment.worker import GUEST, Delivery, Offer, Order, ready, wanted, work
from testbed.errors import HostError, UsageError

PROJECT = Path(__file__).parent.parent
CLUSTER = (PROJECT / "docs" / "cluster.md").read_text()
SHIPPED = load(PROJECT / "experiments.toml")
ORDER = Order(SHIPPED, (LXC,), "these")
CELL = Cell(1, "baseline", "lxc", "off")
OTHER = Cell(1, "siblings", "lxc", "siblings")
LIMIT_S = 30
LOCAL: dict[str, Any] = {
    "processes": False,
    "dashboard_address": "127.0.0.1:0",
    "worker_dashboard_address": "127.0.0.1:0",
}


@pytest.fixture
def scheduler() -> Iterator[LocalCluster]:
    with LocalCluster(**LOCAL, n_workers=2, threads_per_worker=2, resources={GUEST: 1}) as made:
        yield made


@pytest.fixture
def pool(scheduler: LocalCluster) -> Iterator[Cluster]:
    with Cluster(scheduler.scheduler_address, ORDER) as made:
        assert made.room() == {}, "no host is ready yet"
        made.prepare(QUIET)
        until(lambda: sum(made.room().values()) == 2)
        yield made


ACT: list[Callable[[Order], Delivery]] = []


def act(order: Order) -> Delivery:
    """What workers run: it is known to them by its name, so it may be any function of this process."""
    return ACT[-1](order)


SURVEYED: list[Callable[[], dict[str, Any]]] = [lambda: {"name": "here", "accelerator": "tcg"}]


def look(_order: Order) -> dict[str, Any]:
    """In the place of ``survey``, likewise."""
    return SURVEYED[-1]()


@pytest.fixture(autouse=True)
def _acted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "fulfil", act)
    monkeypatch.setattr(cluster, "survey", look)


QUIET = Progress(Console(quiet=True), {}, 0, 0)


def until(holds: Any) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def submit(pool: Cluster, cell: Cell, folder: Path) -> Future[Outcome]:
    (host,) = pool.room()
    return pool.submit(host, cell, folder / cell.name, Watched(cell, cell.name, {}))


def test_a_cell_comes_back_with_its_records(pool: Cluster, tmp_path: Path) -> None:
    def fulfil(order: Order) -> Delivery:
        assert order.cell
        folder = tmp_path / "there" / order.cell.name
        folder.mkdir(parents=True)
        (folder / "cell.jsonl").write_text(order.cell.name)
        return Delivery(Outcome(order.cell, True, True, "", 2.0), archive.pack_folder(folder))

    ACT.append(fulfil)
    futures = [submit(pool, cell, tmp_path / "here") for cell in (CELL, OTHER)]
    assert [future.result(LIMIT_S).cell for future in futures] == [CELL, OTHER]
    for cell in (CELL, OTHER):
        assert (tmp_path / "here" / cell.name / "cell.jsonl").read_text() == cell.name


def test_a_worker_runs_as_many_at_a_time_as_it_may(pool: Cluster, tmp_path: Path) -> None:
    """The pool spreads what it is given over the workers; a third cell would wait for one of the two."""
    places: list[str] = []
    release = threading.Event()

    def fulfil(order: Order) -> Delivery:
        places.append(get_worker().address)
        release.wait(LIMIT_S)
        assert order.cell
        return Delivery(Outcome(order.cell, True, True, "", 2.0), None)

    ACT.append(fulfil)
    third = Cell(2, "baseline", "lxc", "off")
    futures = [submit(pool, cell, tmp_path) for cell in (CELL, OTHER, third)]
    until(lambda: len(places) == 2)
    time.sleep(0.5)
    assert len(set(places)) == len(places) == 2
    release.set()
    assert all(future.result(LIMIT_S).valid for future in futures)


def test_what_goes_wrong_over_there_costs_the_cell_alone(pool: Cluster, tmp_path: Path) -> None:
    def fulfil(order: Order) -> Delivery:
        if order.cell == CELL:
            raise HostError("qemu-img is gone", "get it")
        raise ZeroDivisionError("a bug")

    ACT.append(fulfil)
    first, second = (submit(pool, cell, tmp_path).result(LIMIT_S) for cell in (CELL, OTHER))
    assert (first.complete, first.valid, first.kind) == (False, False, "HostError")
    assert "qemu-img is gone" in first.reason
    assert (second.complete, second.kind) == (False, "ZeroDivisionError")


def test_damaged_records_cost_the_cell_and_leave_nothing(pool: Cluster, tmp_path: Path) -> None:
    ACT.append(lambda order: Delivery(Outcome(order.cell or CELL, True, True, "", 1.0), b"cut"))
    outcome = submit(pool, CELL, tmp_path / "here").result(LIMIT_S)
    assert (outcome.valid, outcome.kind) == (False, "CellError")
    assert list((tmp_path / "here").iterdir()) == []


def test_a_worker_that_goes_away_takes_its_cell_with_it_and_no_other(
    scheduler: LocalCluster, pool: Cluster, tmp_path: Path
) -> None:
    places: dict[Cell | None, str] = {}
    release = threading.Event()

    def fulfil(order: Order) -> Delivery:
        places[order.cell] = get_worker().address
        release.wait(LIMIT_S)
        assert order.cell
        return Delivery(Outcome(order.cell, True, True, "", 2.0), None)

    ACT.append(fulfil)
    futures = {cell: submit(pool, cell, tmp_path) for cell in (CELL, OTHER)}
    until(lambda: len(places) == 2)
    remove = scheduler.scheduler.remove_worker  # as when its connection breaks
    scheduler.sync(remove, address=places[CELL], stimulus_id="test", close=False)
    until(lambda: futures[CELL].done() if pool.room() else False)
    assert futures[CELL].result().kind == "WorkerLost"
    assert not futures[OTHER].done()
    assert sum(pool.room().values()) == 1
    release.set()
    assert futures[OTHER].result(LIMIT_S).valid
    assert submit(pool, CELL, tmp_path).result(LIMIT_S).valid


def test_cells_of_an_interrupted_run_are_told_so(pool: Cluster, tmp_path: Path) -> None:
    told = threading.Event()
    begun = threading.Event()

    def fulfil(_order: Order) -> Delivery:
        worker = get_worker()
        key = worker.get_current_task()
        begun.set()
        deadline = time.monotonic() + LIMIT_S
        while wanted(worker, key) and time.monotonic() < deadline:
            time.sleep(0.05)
        if time.monotonic() < deadline:
            told.set()
        raise KeyError

    ACT.append(fulfil)
    future = submit(pool, CELL, tmp_path)
    assert begun.wait(LIMIT_S)
    pool.cancel()
    assert future.result(1).kind == "WorkerLost"
    assert told.wait(LIMIT_S)


def test_a_host_with_other_sources_is_refused() -> None:
    with pytest.raises(UsageError, match=f"{this_host()} has other sources"):
        ready(ORDER)


def test_no_scheduler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with (
        pytest.raises(HostError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9"),
        Cluster("tcp://127.0.0.1:9", ORDER),
    ):
        pass


def test_workers_without_the_resource_are_passed_over() -> None:
    with (
        LocalCluster(**LOCAL, n_workers=1) as made,
        Cluster(made.scheduler_address, ORDER) as pool,
    ):
        assert pool.room() == {}
        with pytest.raises(HostError, match="no worker at"):
            pool.prepare(QUIET)


def test_a_worker_that_goes_away_while_it_builds_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "POLL_S", 0.1)
    release, place = threading.Event(), list[str]()

    def build() -> dict[str, Any]:
        place.append(get_worker().address)
        release.wait(LIMIT_S)
        return {"name": "here", "accelerator": "tcg"}

    SURVEYED.append(build)
    try:
        with (
            LocalCluster(**LOCAL, n_workers=1, resources={GUEST: 1}) as made,
            Cluster(made.scheduler_address, ORDER) as pool,
            ThreadPoolExecutor(1) as threads,
        ):
            prepared = threads.submit(pool.prepare, QUIET)
            until(lambda: place)
            made.sync(made.scheduler.remove_worker, address=place[0], stimulus_id="test", close=False)
            with pytest.raises(HostError, match="went away while it built"):
                prepared.result(LIMIT_S)
            release.set()
    finally:
        release.set()
        SURVEYED.pop()


def listening(process: int, port: int | None = None) -> set[str]:
    """The addresses at which a process listens, on one port or on any."""
    found = [one for one in psutil.Process(process).net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    return {one.laddr.ip for one in found if port in (None, one.laddr.port)}


@pytest.mark.parametrize(("host", "address"), [(None, "127.0.0.1"), ("127.0.0.2", "127.0.0.2")])
def test_a_worker_listens_only_where_the_scheduler_reaches_it(host: str | None, address: str) -> None:
    with LocalCluster(**LOCAL, n_workers=0, host="127.0.0.1", protocol="tcp") as made:
        threads = ThreadPoolExecutor(1)
        ended = threads.submit(lambda: asyncio.run(work(made.scheduler_address, Offer(3, host))))
        with Cluster(made.scheduler_address, ORDER) as pool:
            until(pool._workers)
            manifests = pool.prepare(QUIET)
            assert manifests["here"]["guests"] == 3
            assert pool.room() == {this_host(): 3}
            (worker,) = pool._workers()
            assert listening(os.getpid(), int(worker.rpartition(":")[2])) == {address}
        made.close()
        ended.result(LIMIT_S)


def test_one_waits_for_as_many_workers_as_are_asked_for(
    scheduler: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "POLL_S", 0.05)
    monkeypatch.setattr(cluster, "GATHER_S", 1.0)
    with Cluster(scheduler.scheduler_address, ORDER) as pool:
        begin = time.monotonic()
        with pytest.raises(HostError, match="2 of 3 workers at"):
            pool.prepare(QUIET, 3)
        assert time.monotonic() - begin >= 1


def test_two_hosts_of_one_name_are_refused() -> None:
    tunnel = {"name": "a#1", "host": "127.0.0.1"}
    refuse_namesakes([tunnel, {"name": "b#1", "host": "127.0.0.1"}, {**tunnel, "name": "a#2"}])
    with pytest.raises(HostError, match=r"two hosts are called a: 127\.0\.0\.1, 10\.0\.0\.1"):
        refuse_namesakes([tunnel, {"name": "a#1", "host": "10.0.0.1"}])


@contextmanager
def real_scheduler(folder: Path, *words: str, **environment: str) -> "Iterator[tuple[subprocess.Popen[bytes], str]]":
    """A process of its own, with the document's words, and where it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    (lines,) = blocks(CLUSTER, "sh", has=("dask scheduler --host",))
    documented = lines.partition("\n")[0].partition("#")[0].split()[2:]
    place = f"{documented[documented.index('--host') + 1]}:{port}"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *documented, "--port", port, *words]
    scheduler = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment})
    try:
        yield scheduler, place
    finally:
        scheduler.kill()
        scheduler.wait(LIMIT_S)


def test_a_scheduler_that_is_gone_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 6)  # enough on a busy host, too
    with (
        real_scheduler(tmp_path) as (scheduler, place),
        Cluster(f"tcp://{place}", ORDER) as pool,
    ):
        assert pool.room() == {}
        assert listening(scheduler.pid) == {"127.0.0.1"}
        scheduler.kill()

        def gone() -> bool:
            try:
                pool.room()
            except HostError as error:
                return "is gone" in str(error)
            return False

        until(gone)


@pytest.mark.whole
def test_with_tls_as_the_document_has_it_only_who_has_the_certificate_gets_in(tmp_path: Path) -> None:
    script = "\n".join(blocks(CLUSTER, "sh", has=("openssl", "TLS")))
    said = subprocess.run(
        ["bash", "-ec", f"{script}\nenv -0"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    names = dict(line.partition("=")[::2] for line in said.split("\0") if line.startswith("DASK_"))
    assert len(names) == 8
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
    words = ["--conditions", "baseline", "--replicates", "1", "--results", str(tmp_path), "--scheduler"]

    def reached(way: str, **environment: str) -> str:
        command = [sys.executable, str(PROJECT / "run.py"), *words, f"{way}://{place}"]
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=90
        )
        assert done.returncode == 3
        return done.stderr

    with real_scheduler(tmp_path, "--protocol", "tls", **names) as (_, place):
        assert "run.py: no worker at" in reached("tls", **names), "let in"
        without = {name: value for name, value in names.items() if not name.endswith(("CERT", "KEY"))}
        assert "wants a certificate, and Dask's configuration has none\n  way out: docs/cl" in reached("tls", **without)
        assert "is not encrypted, as Dask's configuration wants" in reached("tcp", **names)
        assert "run.py: no scheduler answers at" in reached("tcp")
