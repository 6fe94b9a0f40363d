"""Root's commands and files in a guest, over SSH (paramiko), with the host key pinned at build time."""

import base64
import contextlib
import io
import shlex
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import paramiko

from testbed.errors import GuestError, ShellSilent

CONNECT_SECONDS = 20.0  # one try: a key exchange takes about a second under emulation, more under memory pressure
PAUSE_SECONDS = 0.3
COMMAND_S = 120.0
PRESSED_S = 300.0  # for a command while the guest is short of memory: sshd and the shell may be in swap
OUTPUT_BYTES = 16 * 1024 * 1024  # of a command; the guest is not trusted to end
GRANTED_BYTES = 2 * OUTPUT_BYTES + 1024 * 1024  # output and errors of a command, and what SSH adds
GRACE_S = 5.0  # for what has a limit of its own to come to it
NO_CODE = -1  # paramiko's exit code of a command whose channel was closed before it ended
CHUNK = 65536
UNPACK = "tar --extract --no-same-owner --directory /"


@dataclass(frozen=True)
class File:
    """A file to write in a guest."""

    target: str
    content: bytes
    mode: int = 0o644


class Metered:
    """A socket on which no more comes than was granted since.

    paramiko keeps in memory whatever arrives: it announces a window to its peer, and does not hold the peer to it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = GRANTED_BYTES

    def grant(self) -> None:
        """Afresh: what came before was read."""
        self._left = GRANTED_BYTES

    def recv(self, size: int) -> bytes:
        """Raises OSError beyond the limit; paramiko ends the session then."""
        received = self._connection.recv(size)
        self._left -= len(received)
        if self._left < 0:
            self._connection.close()
            raise OSError(f"the guest sent more than {GRANTED_BYTES} bytes that nobody asked for")
        return received

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Shell:
    """An open SSH session with a guest. ``grant``: called when more may come from it, see Metered."""

    def __init__(self, client: paramiko.SSHClient, grant: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._grant = grant

    def run(self, *command: str, timeout: float = COMMAND_S, check: bool = True) -> str:
        """Run a command in the guest and return its output.

        Raises GuestError if it fails (unless ``check`` is false) or says more than OUTPUT_BYTES, ShellSilent if it has
        not ended after ``timeout`` seconds.
        """
        line = shlex.join(command)
        self._grant()
        deadline = time.monotonic() + timeout
        try:
            with self._closed_after(timeout + GRACE_S):
                _, stdout, _ = self._client.exec_command(line, timeout=timeout)
                channel = stdout.channel
                output = read_all(channel, channel.recv, deadline)
                errors = read_all(channel, channel.recv_stderr, deadline)
                code = exit_code(channel, deadline)
        except (TimeoutError, paramiko.SSHException, OSError, EOFError) as error:
            if isinstance(error, TimeoutError) or time.monotonic() > deadline:
                raise ShellSilent(f"in the guest, still running after {timeout:.0f} s: {line}") from error
            raise GuestError(f"the SSH session ended during: {line} ({error})") from error
        if code == NO_CODE:
            raise GuestError(f"the SSH session ended during: {line}")
        if check and code != 0:
            raise GuestError(f"in the guest, exit code {code}: {line}\n    {(errors or output).strip()[-2000:]}")
        return output

    def put(self, files: Sequence[File]) -> None:
        """Write files in the guest, in one transfer; their folders are made. Raises GuestError."""
        self._grant()
        try:
            deadline = time.monotonic() + COMMAND_S
            with self._closed_after(COMMAND_S + GRACE_S):
                stdin, stdout, _ = self._client.exec_command(UNPACK, timeout=COMMAND_S)
                with tarfile.open(fileobj=stdin, mode="w|") as archive:
                    for file in files:
                        entry = tarfile.TarInfo(file.target.lstrip("/"))
                        entry.size, entry.mode = len(file.content), file.mode
                        archive.addfile(entry, io.BytesIO(file.content))
                stdin.channel.shutdown_write()
                errors = read_all(stdout.channel, stdout.channel.recv_stderr, deadline)
                code = exit_code(stdout.channel, deadline)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise GuestError(f"files could not be sent to the guest: {error}") from error
        if code != 0:
            raise GuestError(f"files could not be written in the guest: {errors.strip()}")

    @contextmanager
    def _closed_after(self, seconds: float) -> Iterator[None]:
        """Close the session if this takes longer: paramiko waits for the answer to a request without end."""
        timer = threading.Timer(seconds, self.close)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._client.close()


def read_all(channel: paramiko.Channel, receive: Callable[[int], bytes], deadline: float) -> str:
    """Everything until the end. Raises TimeoutError at ``deadline`` (monotonic), GuestError when it is too much."""
    received = bytearray()
    while True:
        channel.settimeout(max(deadline - time.monotonic(), 0.1))
        piece = receive(CHUNK)
        if not piece:
            return received.decode(errors="replace")
        received += piece
        if len(received) > OUTPUT_BYTES:
            raise GuestError(f"a command in the guest says more than {OUTPUT_BYTES} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError


def exit_code(channel: paramiko.Channel, deadline: float) -> int:
    """Of a command that says no more. Raises TimeoutError at ``deadline`` (monotonic)."""
    if not channel.status_event.wait(max(deadline - time.monotonic(), 0.1)):
        raise TimeoutError
    return channel.recv_exit_status()


def open_shell(port: int, private_key: Path, host_key: Path, limit: float, alive: Callable[[], None]) -> Shell:
    """Log in as root at 127.0.0.1:``port``, trying for ``limit`` seconds.

    ``alive`` is called between tries; it raises when waiting is pointless. Raises GuestError on time-out.
    """
    deadline = time.monotonic() + limit
    reason: Exception | None = None
    while time.monotonic() < deadline:
        alive()
        client = pinned_client(port, host_key)
        try:
            connection = Metered(socket.create_connection(("127.0.0.1", port), CONNECT_SECONDS))
            client.connect(
                "127.0.0.1", port, sock=cast(socket.socket, connection), username="root",
                pkey=paramiko.Ed25519Key.from_private_key_file(str(private_key)),
                timeout=CONNECT_SECONDS, banner_timeout=CONNECT_SECONDS, auth_timeout=CONNECT_SECONDS,
                allow_agent=False, look_for_keys=False,
            )  # fmt: skip
            return Shell(client, connection.grant)
        except paramiko.BadHostKeyException as error:
            client.close()
            raise GuestError(
                f"the guest on port {port} is not ours: its host key differs from the pinned one"
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            client.close()
            reason = error
            time.sleep(PAUSE_SECONDS)
    raise ShellSilent(f"the guest did not answer over SSH within {limit:.0f} s ({reason})")


def pinned_client(port: int, host_key: Path) -> paramiko.SSHClient:
    kind, encoded = host_key.read_text().split()[:2]
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    key = paramiko.PKey.from_type_string(kind, base64.b64decode(encoded))
    client.get_host_keys().add(f"[127.0.0.1]:{port}", kind, key)
    return client


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
