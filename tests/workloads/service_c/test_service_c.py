"""Service C's files, its application beside a Valkey made of dictionaries, and when it is ready."""

import importlib.util
import re
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType, SimpleNamespace
from typing import cast
from wsgiref.types import WSGIApplication
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from testbed.errors import GuestError, HostError
from testbed.images.disk import IMAGES, listed
from testbed.ssh.shell import Shell
from workloads.request import Expected, RowSum
from workloads.service_c import deploy
from workloads.service_c.database import check
from workloads.service_c.deploy import FILES, files, wait_ready
from workloads.service_c.settings import ServiceCSettings

SETTINGS = ServiceCSettings(httpd_processes=2, application_processes=7)
TITLE = "Senior Engineer"
TEXTS = {file.target: file.content.decode() for file in files(SETTINGS, TITLE)}


class Valkey:
    """Hashes and lists, and of the protocol what the application says."""

    def __init__(self) -> None:
        self.hashes: dict[str, dict[str, bytes]] = {}
        self.lists: dict[str, list[str]] = {}
        self.longest = 0

    def llen(self, key: str) -> int:
        return len(self.lists.get(key, []))

    def sort_ro(self, key: str, *, start: int, num: int, by: str, get: Sequence[str]) -> list[bytes | None]:
        assert by == "nosort"
        self.longest = max(self.longest, num)
        return [self._look_up(pattern, name) for name in self.lists[key][start : start + num] for pattern in get]

    def _look_up(self, pattern: str, name: str) -> bytes | None:
        key, field = pattern.replace("*", name).split("->")
        return self.hashes.get(key, {}).get(field)


@pytest.fixture
def valkey(monkeypatch: pytest.MonkeyPatch) -> Valkey:
    fake = Valkey()
    sockets: list[str] = []

    def connect(unix_socket_path: str) -> Valkey:
        sockets.append(unix_socket_path)
        return fake

    monkeypatch.setitem(sys.modules, "redis", SimpleNamespace(Redis=connect))
    monkeypatch.setenv("SERVICE_C_TITLE", TITLE)
    return fake


@pytest.fixture
def application(valkey: Valkey) -> ModuleType:
    spec = importlib.util.spec_from_file_location("service_c_application", FILES / "application.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def employ(valkey: Valkey, numbers: Iterable[int], title: str) -> None:
    for number in numbers:
        valkey.hashes[f"employee:{number}"] = {"first_name": b"A%d" % number, "last_name": "Ö".encode()}
        valkey.lists.setdefault(f"title:{title}", []).append(str(number))


def respond(application: ModuleType) -> tuple[list[str], bytes]:
    """Status lines and body of a request, by a server that checks the rules of PEP 3333."""
    environ: dict[str, object] = {"QUERY_STRING": ""}
    setup_testing_defaults(environ)
    seen: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> object:
        seen.append(status)
        return lambda _: None

    checked = validator(cast(WSGIApplication, application.application))
    body = checked(environ, start_response)  # type: ignore[arg-type]
    content = b"".join(body)
    body.close()  # type: ignore[attr-defined]
    return seen, content


def test_the_answer_is_in_service_as_format(application: ModuleType, valkey: Valkey) -> None:
    employ(valkey, [10002, 10001], TITLE)
    employ(valkey, [10003], "Engineer")
    status, body = respond(application)
    assert status == ["200 OK"]
    assert body.decode() == "A10002\tÖ\tSenior Engineer\nA10001\tÖ\tSenior Engineer\n"


def test_a_long_answer_comes_in_pieces_and_whole(application: ModuleType, valkey: Valkey) -> None:
    count = 2 * int(application.ROWS) + 1
    employ(valkey, range(count), TITLE)
    pieces = list(application.answer())
    assert [piece.count(b"\n") for piece in pieces] == [application.ROWS, application.ROWS, 1]
    assert valkey.longest == application.ROWS
    assert len(set(b"".join(pieces).splitlines())) == count


def test_an_employee_who_is_not_there_ends_the_answer_with_an_error(application: ModuleType, valkey: Valkey) -> None:
    employ(valkey, [1, 2], TITLE)
    del valkey.hashes["employee:2"]
    with pytest.raises(TypeError):
        list(application.answer())


def test_each_part_is_configured_with_the_sockets_of_its_neighbours() -> None:
    nginx, gunicorn = TEXTS["/etc/service_c/nginx.conf"], TEXTS["/etc/service_c/gunicorn.conf.py"]
    assert f"proxy_pass http://unix:{deploy.APPLICATION_SOCKET};" in nginx
    assert f'bind = "unix:{deploy.APPLICATION_SOCKET}"' in gunicorn
    assert f"unixsocket {deploy.VALKEY_SOCKET}\n" in TEXTS["/etc/service_c/valkey.conf"]
    assert f'"{deploy.VALKEY_SOCKET}"' in TEXTS["/srv/service_c/application.py"]
    for socket in (deploy.APPLICATION_SOCKET, deploy.VALKEY_SOCKET):
        assert socket.rpartition("/")[0] in TEXTS["/usr/local/lib/service_c/start"]


def test_settings_reach_the_processes() -> None:
    assert "worker_processes 2;" in TEXTS["/etc/service_c/nginx.conf"]
    settings: dict[str, object] = {}
    exec(TEXTS["/etc/service_c/gunicorn.conf.py"], settings)  # noqa: S102 - as gunicorn does with it
    assert settings["workers"] == 7
    assert settings["raw_env"] == ["SERVICE_C_TITLE=Senior Engineer"]


def test_requests_are_answered_on_httpds_port_and_path_and_stream() -> None:
    nginx = TEXTS["/etc/service_c/nginx.conf"]
    for line in ("listen 80;", "location = /query.cgi {", "proxy_buffering off;"):
        assert line in nginx


def test_valkey_persists_nothing_in_the_guest() -> None:
    lines = TEXTS["/etc/service_c/valkey.conf"].splitlines()
    assert {'save ""', "appendonly no", "dbfilename employees.rdb"} <= set(lines)


def test_the_container_starts_what_is_installed() -> None:
    start = next(file for file in files(SETTINGS, TITLE) if file.target == "/usr/local/lib/service_c/start")
    assert start.mode == 0o755
    configured = set(re.findall(r"/etc/service_c/\S+", TEXTS[start.target]))
    assert {name.rstrip("&") for name in configured} == {name for name in TEXTS if name.startswith("/etc/")}


def test_nothing_of_it_starts_by_itself() -> None:
    assert {"nginx", "gunicorn", "python3-redis", "valkey-server"} <= set(listed(IMAGES / "packages.txt"))
    assert {"nginx.service", "valkey-server.service"} <= set(listed(IMAGES / "units-off.txt"))


class Answers:
    """A shell whose command answers these, the last one for ever."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.commands: list[tuple[str, ...]] = []

    def run(self, *command: str, check: bool) -> str:
        assert not check
        self.commands.append(command)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.mark.usefixtures("_no_sleep")
def test_it_is_ready_when_all_is_loaded() -> None:
    shell = Answers("", "LOADING Valkey is loading the dataset in memory\n", "PONG\n")
    wait_ready(cast(Shell, shell), "service_a", 60)
    assert len(shell.commands) == 3
    assert shell.commands[0][:3] == ("lxc-attach", "--name=service_a", "--")


@pytest.mark.usefixtures("_no_sleep")
def test_what_valkey_said_last_is_told_when_time_is_up() -> None:
    with pytest.raises(GuestError, match=r"not ready within 0 s: LOADING"):
        wait_ready(cast(Shell, Answers("LOADING\n")), None, 0.01)


def test_a_dump_that_answers_otherwise_is_refused() -> None:
    rows = RowSum()
    rows.add(b"A\tB\tEngineer\n")
    expected = Expected(rows.rows, rows.checksum)
    check("A\tB\tEngineer\n", expected)
    for answer in ("", "A\tB\tStaff\n", "A\tB\tEngineer\nA", "A\tB\tEngineer\n" * 2):
        with pytest.raises(HostError, match="not loaded as expected"):
            check(answer, expected)
