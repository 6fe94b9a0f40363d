"""Cells on other hosts, through a real Dask scheduler with workers in this process; what they run is made up."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import LocalCluster, get_worker
from distributed.comm.addressing import unparse_host_port
from documents import blocks, commands
from rich.console import Console
from words import in_folders

from configuration.condition import LXC
from configuration.load import load
from configuration.plan import Cell
from experiment.cell import Ended
from experiment.places import archive, certificate, cluster, listening
from experiment.places.access import Access
from experiment.places.cluster import Cluster, refuse_namesakes
from experiment.places.this_host import this_host
from experiment.places.worker import GUEST, Delivery, Offer, Order, Site, work
from experiment.progress import Progress, Watched
from testbed.errors import INTERRUPTED, HostError, UsageError
from testbed.process import PROJECT

CLUSTER = (PROJECT / "docs" / "cluster.md").read_text()
SHIPPED = load(PROJECT / "experiments.toml")
ORDER = Order(SHIPPED, (LXC,), "these")
CELL = Cell(1, "baseline", "lxc", "off")
OTHER = Cell(1, "siblings", "lxc", "siblings")
INTRUDER = (PROJECT / "tests" / "support" / "intruder.py").read_text()
NOBODY = 65534
LIMIT_S = 30
FOUR = commands(blocks(CLUSTER, "sh", has=("run.py certificate",))[0])
LOCAL: dict[str, Any] = {
    "processes": False,
    "host": "127.0.0.1",
    "protocol": "tcp",
    "dashboard_address": "127.0.0.1:0",
    "worker_dashboard_address": "127.0.0.1:0",
}


def at(made: LocalCluster) -> Access:
    return Access(made.scheduler_address, let_anyone_in=True)


@pytest.fixture
def scheduler() -> Iterator[LocalCluster]:
    with LocalCluster(**LOCAL, n_workers=2, threads_per_worker=2, resources={GUEST: 1}) as made:
        yield made


@pytest.fixture
def pool(scheduler: LocalCluster) -> Iterator[Cluster]:
    with Cluster(at(scheduler), ORDER) as made:
        assert made.room() == {}, "no host is ready yet"
        made.make_ready(QUIET)
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


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "cache", 1)


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


def submit(pool: Cluster, cell: Cell, folder: Path) -> Future[Ended]:
    (host,) = pool.room()
    return pool.submit(host, cell, folder / cell.name, Watched(cell, cell.name, {}))


def test_a_cell_comes_back_with_its_records(pool: Cluster, tmp_path: Path) -> None:
    def fulfil(order: Order) -> Delivery:
        assert order.cell
        folder = tmp_path / "there" / order.cell.name
        folder.mkdir(parents=True)
        (folder / "cell.jsonl").write_text(order.cell.name)
        return Delivery(Ended(order.cell, True, True, "", 2.0), archive.pack_folder(folder))

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
        return Delivery(Ended(order.cell, True, True, "", 2.0), None)

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
    ACT.append(lambda order: Delivery(Ended(order.cell or CELL, True, True, "", 1.0), b"cut"))
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
        return Delivery(Ended(order.cell, True, True, "", 2.0), None)

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


def test_cells_of_an_interrupted_run_are_told_so(pool: Cluster, site: Site, tmp_path: Path) -> None:
    told = threading.Event()
    begun = threading.Event()

    def fulfil(_order: Order) -> Delivery:
        worker = get_worker()
        key = worker.get_current_task()
        begun.set()
        deadline = time.monotonic() + LIMIT_S
        while site.wants(worker, key) and time.monotonic() < deadline:
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


def test_a_host_with_other_sources_is_refused(site: Site) -> None:
    with pytest.raises(UsageError, match=f"{this_host()} has other sources"):
        site.ready(ORDER)


def test_no_scheduler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "CONNECT_S", 0.5)
    with (
        pytest.raises(HostError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9: \S"),
        Cluster(Access("tcp://127.0.0.1:9", let_anyone_in=True), ORDER),
    ):
        pass


@pytest.mark.parametrize("tls", [False, True])
def test_a_scheduler_that_takes_the_connection_and_is_silent_is_one_line(
    tls: bool, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the end of a tunnel whose other end is not there. Dask's own limit is not for this."""
    monkeypatch.setattr(listening, "CONNECT_S", 0.5)
    certificate.make(tmp_path / "tls", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        access = Access(f"tls://{place}", tmp_path / "tls") if tls else Access(f"tcp://{place}", let_anyone_in=True)
        with pytest.raises(HostError, match=rf"no scheduler answers at t..://{place}: \S"):
            asyncio.run(work(access, Offer(1), site))
        with pytest.raises(HostError, match=rf"no scheduler answers at t..://{place}: \S"), Cluster(access, ORDER):
            pass


def test_workers_without_the_resource_are_passed_over() -> None:
    with (
        LocalCluster(**LOCAL, n_workers=1) as made,
        Cluster(at(made), ORDER) as pool,
    ):
        assert pool.room() == {}
        with pytest.raises(HostError, match="no worker at"):
            pool.make_ready(QUIET)


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
            Cluster(at(made), ORDER) as pool,
            ThreadPoolExecutor(1) as threads,
        ):
            prepared = threads.submit(pool.make_ready, QUIET)
            until(lambda: place)
            made.sync(made.scheduler.remove_worker, address=place[0], stimulus_id="test", close=False)
            with pytest.raises(HostError, match="went away while it built"):
                prepared.result(LIMIT_S)
            release.set()
    finally:
        release.set()
        SURVEYED.pop()


def listened(process: int, port: int | None = None) -> set[str]:
    """The addresses at which a process listens, on one port or on any."""
    return {one.ip for one in sockets(process) if port in (None, one.port)}


def sockets(process: int) -> list[Any]:
    found = psutil.Process(process).net_connections("tcp")
    return [one.laddr for one in found if one.status == psutil.CONN_LISTEN]


@pytest.mark.parametrize(
    ("scheduler", "host", "address"),
    [("127.0.0.1", None, "127.0.0.1"), ("127.0.0.1", "127.0.0.2", "127.0.0.2"),
     ("::1", None, "::1"), ("::1", "::1", "::1")],
)  # fmt: skip
def test_a_worker_listens_only_where_the_scheduler_reaches_it(
    scheduler: str, host: str | None, address: str, site: Site
) -> None:
    if scheduler == "::1" and not has_ipv6():
        pytest.skip("this host has no IPv6")
    with LocalCluster(**{**LOCAL, "host": unparse_host_port(scheduler)}, n_workers=0) as made:
        threads = ThreadPoolExecutor(1)
        ended = threads.submit(lambda: asyncio.run(work(at(made), Offer(3, host), site)))
        with Cluster(at(made), ORDER) as pool:
            until(pool._workers)
            manifests = pool.make_ready(QUIET)
            assert manifests["here"]["guests"] == 3
            assert pool.room() == {this_host(): 3}
            (worker,) = pool._workers()
            assert listened(os.getpid(), int(worker.rpartition(":")[2])) == {address}
        made.close()
        ended.result(LIMIT_S)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("offer", [Offer(1, "203.0.113.1"), Offer(1, "no-such-host.invalid"), Offer(1, port=1)])
def test_a_worker_that_cannot_listen_is_one_line(offer: Offer, scheduler: LocalCluster, site: Site) -> None:
    if offer.port:  # a port that is taken
        offer = Offer(1, port=int(scheduler.scheduler_address.rpartition(":")[2]))
    with pytest.raises(HostError, match="Dask cannot listen at"):
        asyncio.run(work(at(scheduler), offer, site))


def test_one_waits_for_as_many_workers_as_are_asked_for(
    scheduler: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "POLL_S", 0.05)
    monkeypatch.setattr(cluster, "GATHER_S", 1.0)
    with Cluster(at(scheduler), ORDER) as pool:
        begin = time.monotonic()
        with pytest.raises(HostError, match="2 of 3 workers at"):
            pool.make_ready(QUIET, 3)
        assert time.monotonic() - begin >= 1


def test_two_hosts_of_one_name_are_refused() -> None:
    tunnel = {"name": "a#1", "host": "127.0.0.1"}
    refuse_namesakes([tunnel, {"name": "b#1", "host": "127.0.0.1"}, {**tunnel, "name": "a#2"}])
    with pytest.raises(HostError, match=r"two hosts are called a: 127\.0\.0\.1, 10\.0\.0\.1"):
        refuse_namesakes([tunnel, {"name": "a#1", "host": "10.0.0.1"}])


@dataclass(frozen=True)
class Documented:
    """The document's lines, run in a folder: a certificate, and a scheduler with it at ``place``."""

    folder: Path
    place: str
    scheduler: "subprocess.Popen[bytes]"

    @property
    def access(self) -> Access:
        return Access(f"tls://{self.place}", self.folder / "paging-tls")


def run_py(folder: Path, words: Sequence[str], place: str) -> list[str]:
    """A command line of the document, with a scheduler at ``place``, and a cache below ``folder``."""
    assert words[:2] == ("python", "run.py")
    there = [word.replace("ADDRESS:8786", place) for word in words[2:]]
    return [sys.executable, str(PROJECT / "run.py"), *in_folders(there, cache=folder / "cache")]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def running(words: Sequence[str], folder: Path, **environment: str) -> "Iterator[subprocess.Popen[bytes]]":
    with (folder / "said").open("ab") as said:
        process = subprocess.Popen(words, cwd=folder, env={**os.environ, **environment}, stderr=said)
    try:
        yield process
    finally:
        process.kill()
        process.wait(LIMIT_S)


@pytest.fixture
def documented(tmp_path: Path) -> Iterator[Documented]:
    make, serve, *_ = FOUR
    place = f"127.0.0.1:{free_port()}"
    subprocess.run(run_py(tmp_path, make, place), cwd=tmp_path, check=True, timeout=60)
    # What another user may have made in a /tmp, where Dask would make a folder, and look for modules.
    (tmp_path / "tmp" / "dask-scratch-space").mkdir(parents=True)
    with running(run_py(tmp_path, serve, place), tmp_path, TMPDIR=str(tmp_path / "tmp")) as scheduler:
        yield Documented(tmp_path, place, scheduler)


@pytest.mark.whole
def test_the_documented_scheduler_answers_who_has_the_certificate_and_nobody_else(
    documented: Documented, tmp_path: Path
) -> None:
    with Cluster(documented.access, ORDER) as pool:
        assert pool.room() == {}
        ours = pool._client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.local_directory)
        assert Path(ours).is_relative_to(tmp_path / "cache"), "not in a folder that another may have made in /tmp"
    listens = sockets(documented.scheduler.pid)
    assert {one.ip for one in listens} == {"127.0.0.1"}
    (http,) = (one for one in listens if one.port != int(documented.place.rpartition(":")[2]))
    for page in ("health", "info/main/workers.html", "json/identity.json", "metrics"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{http.port}/{page}", timeout=LIMIT_S)
    certificate.make(tmp_path / "another", 1)
    for tls, complaint in ((tmp_path / "another", "has another certificate"), (None, "there is no --tls")):
        with (
            pytest.raises(HostError, match=complaint),
            Cluster(Access(f"tls://{documented.place}", tls), ORDER),
        ):
            pass


def test_a_scheduler_without_tls_is_not_taken_for_one_with_it(scheduler: LocalCluster, tmp_path: Path) -> None:
    certificate.make(tmp_path / "tls", 1)
    access = Access(scheduler.scheduler_address.replace("tcp:", "tls:"), tmp_path / "tls")
    with pytest.raises(HostError, match="has another certificate, or none"), Cluster(access, ORDER):
        pass


def test_an_expired_certificate_is_refused_before_anything_listens(site: Site, tmp_path: Path) -> None:
    certificate.make(tmp_path / "tls", 1, datetime.now(UTC) - timedelta(days=2))
    access = Access(f"tls://127.0.0.1:{free_port()}", tmp_path / "tls")
    with pytest.raises(HostError, match="its certificate is valid from"):
        listening.serve(access, tmp_path / "cache", print)
    with pytest.raises(HostError, match="its certificate is valid from"):
        asyncio.run(work(access, Offer(1), site))
    with pytest.raises(HostError, match="its certificate is valid from"), Cluster(access, ORDER):
        pass


def test_a_scheduler_that_is_gone_is_one_line(documented: Documented, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 6)  # enough on a busy host, too
    with Cluster(documented.access, ORDER) as pool:
        assert pool.room() == {}
        documented.scheduler.kill()

        def gone() -> bool:
            try:
                pool.room()
            except HostError as error:
                return "is gone" in str(error)
            return False

        until(gone)


@pytest.mark.whole
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a while")
def test_another_user_of_the_host_runs_nothing_through_scheduler_and_worker_as_documented(
    documented: Documented, tmp_path: Path
) -> None:
    certificate.make(tmp_path / "theirs", 1)
    own = "".join((tmp_path / "theirs" / name).read_text() for name in ("cert.pem", "key.pem"))
    with LocalCluster(**LOCAL, n_workers=1) as made:  # without TLS it works, else this test would show nothing
        for address in (made.scheduler_address, made.workers[0].worker_address):
            assert intrude(address, tmp_path) == f"ran as {os.geteuid()}"
    port = free_port()
    words = [*run_py(tmp_path, FOUR[2], documented.place), "--port", str(port)]
    with running(words, tmp_path) as worker, Cluster(documented.access, ORDER) as pool:
        until(pool._workers)
        assert pool._executor(f"tls://127.0.0.1:{port}").submit(os.getpid).result(LIMIT_S) == worker.pid
        assert {one.ip for one in sockets(worker.pid)} == {"127.0.0.1"}
        (known,) = pool._client.scheduler_info()["workers"].values()
        assert Path(known["local_directory"]).is_relative_to(tmp_path / "cache"), "not in a /tmp"
        for place in (documented.place, f"127.0.0.1:{port}"):
            for scheme, certificates in (("tcp", ()), ("tls", ()), ("tls", (own,))):
                assert intrude(f"{scheme}://{place}", tmp_path, *certificates) == "refused"


@pytest.mark.whole
def test_a_scheduler_that_is_interrupted_ends_in_order_and_its_workers_do(
    documented: Documented, tmp_path: Path
) -> None:
    with running(run_py(tmp_path, FOUR[2], documented.place), tmp_path) as worker:
        with Cluster(documented.access, ORDER) as pool:
            until(pool._workers)
        documented.scheduler.terminate()
        assert documented.scheduler.wait(LIMIT_S) == INTERRUPTED
        assert worker.wait(LIMIT_S) == 0
    said = (tmp_path / "said").read_text()
    assert "run.py: interrupted" in said
    assert "Traceback" not in said
    assert not list((tmp_path / "cache").glob("dask-*"))


def intrude(address: str, folder: Path, *certificate: str) -> str:
    """What comes of a program of another user's at an address."""
    marker = folder / "ran"
    done = subprocess.run(
        [sys.executable, "-c", INTRUDER, address, f"id -u > {marker}", *certificate], cwd="/", env={},
        user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    if marker.exists():
        user = marker.read_text().strip()
        marker.unlink()
        return f"ran as {user}"
    assert not done.returncode, f"another user's Python cannot do this here: {done.stderr}"
    return done.stdout.partition(":")[0]


@pytest.mark.whole
def test_dasks_own_configuration_may_have_the_certificate(documented: Documented, tmp_path: Path) -> None:
    folder = documented.access.tls
    assert folder
    files = {"CA_FILE": "cert.pem"}
    for part in ("CLIENT", "WORKER", "SCHEDULER"):
        files |= {f"{part}__CERT": "cert.pem", f"{part}__KEY": "key.pem"}
    names = {f"DASK_DISTRIBUTED__COMM__TLS__{key}": str(folder / file) for key, file in files.items()}
    names["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] = "True"
    words = ["--conditions", "baseline", "--replicates", "1", "--results", str(tmp_path), "--let-anyone-in"]

    def reached(way: str, **environment: str) -> str:
        command = [sys.executable, str(PROJECT / "run.py"), *words, "--scheduler", f"{way}://{documented.place}"]
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=90
        )
        assert done.returncode == HostError.exit_code
        assert "Traceback" not in done.stderr
        return done.stderr

    assert "run.py: no worker at" in reached("tls", **names), "let in"
    without = {name: value for name, value in names.items() if not name.endswith(("CERT", "KEY"))}
    assert "wants a certificate, and there is no --tls" in reached("tls", **without)
    lost = {**names, "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": str(tmp_path / "nothing")}
    assert "the certificate of Dask's configuration: " in reached("tls", **lost)
    assert "is not encrypted, as Dask's configuration wants" in reached("tcp", **names)
    assert "run.py: no scheduler answers at" in reached("tcp")
