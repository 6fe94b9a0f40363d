"""Commands over an SSH session that fails in one way or another. What a real one does is the guest tests'."""

import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from testbed import guest as guests
from testbed.errors import ChannelSilent, GuestError, GuestLost, GuestPanicked, ShellSilent
from testbed.guest import Guest
from testbed.images.image import Image
from testbed.ssh import shell as shells
from testbed.ssh.shell import File, Shell


class Client:
    """An SSH session whose commands end with ``error``, or, without one, not before it is closed."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.closed = threading.Event()

    def exec_command(self, _line: str, timeout: float) -> Any:
        if self.error:
            raise self.error
        assert self.closed.wait(10 * timeout), "nobody ended the wait"
        raise paramiko.SSHException("Channel closed.")

    def close(self) -> None:
        self.closed.set()


def shell(client: Client) -> Shell:
    made: Any = client
    return Shell(made)


@pytest.mark.parametrize("error", [EOFError(), paramiko.SSHException("gone"), ConnectionResetError("gone")])
def test_a_session_that_ends_is_the_guests_error(error: Exception) -> None:
    with pytest.raises(GuestError, match="the SSH session ended during: true"):
        shell(Client(error)).run("true")
    with pytest.raises(GuestError, match="files could not be sent"):
        shell(Client(error)).put([File("/a", b"")])


def test_a_guest_that_never_answers_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "GRACE_S", 0.1)
    client = Client()
    with pytest.raises(ShellSilent, match="still running after"):
        shell(client).run("true", timeout=0.3)
    assert client.closed.is_set()


def guest(trouble: Exception | None, active: bool) -> Guest:
    watch: Any = SimpleNamespace(gone=threading.Event(), look=lambda: trouble)
    domain: Any = SimpleNamespace(isActive=lambda: active)
    return Guest(domain, Image(Path()), Path(), Path("/none"), {}, {}, "", watch)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "GOING_S", 0.01)
    monkeypatch.setattr(guests, "is_active", lambda domain: domain.isActive())


@pytest.mark.parametrize(
    ("trouble", "active", "kind"),
    [
        (None, True, ChannelSilent),
        (None, False, GuestLost),
        (GuestPanicked("the guest panicked"), True, GuestPanicked),
    ],
)
def test_what_fails_because_the_guest_is_gone_says_so(
    trouble: Exception | None, active: bool, kind: type[Exception]
) -> None:
    with pytest.raises(GuestError) as caught, guest(trouble, active).explained():
        raise ChannelSilent("no answer")
    assert type(caught.value) is kind


def test_what_says_already_that_it_is_gone_is_left_as_it_is() -> None:
    with pytest.raises(GuestPanicked, match="as it was"), guest(None, False).explained():
        raise GuestPanicked("as it was")


def test_a_guest_that_floods_ssh_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """paramiko keeps what arrives beyond the window that it announced."""
    monkeypatch.setattr(shells, "GRANTED_BYTES", 1000)
    ours, its = socket.socketpair()
    with ours, its:
        metered = shells.Metered(ours)
        for _ in range(5):
            metered.grant()
            its.sendall(b"x" * 900)
            assert len(metered.recv(4096)) == 900
        its.sendall(b"x" * 101)
        with pytest.raises(OSError, match="the guest sent more than 1000 bytes that nobody asked for"):
            metered.recv(4096)
        assert ours.fileno() == -1
