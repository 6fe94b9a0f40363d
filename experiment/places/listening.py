"""What listens for a distributed run, Dask's scheduler and its workers, and how one gets in there.

Dask unpickles what it is sent before it looks at it: TLS is the border, and behind it is none.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Scheduler, Security
from distributed.comm import connect, get_address_host
from distributed.comm.core import FatalCommClosedError

from experiment.interrupts import INTERRUPTS
from experiment.places import certificate
from experiment.places.access import WAY_OUT, Access
from testbed import ledger
from testbed.errors import HostError

CONNECT_S = 20  # for a scheduler to answer
ROLES = ("client", "scheduler", "worker")
HTTP: dict[str, Any] = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
"""Dask's HTTP servers know no certificates. They cannot be left out, so they listen here, and answer nothing."""


def security(access: Access, role: str) -> Security:
    """What Dask encrypts with as one of ROLES: the folder's certificate, or that of Dask's own configuration.

    Raises HostError where there is none, or it does not fit the address: it would be a bug to Dask.
    """
    if access.tls:
        certificate.require(access.tls)
        cert, key = str(access.tls / certificate.CERTIFICATE), str(access.tls / certificate.KEY)
        files = {f"tls_{part}_{what}": path for part in ROLES for what, path in (("cert", cert), ("key", key))}
        return Security(require_encryption=True, tls_ca_file=cert, **files)
    own = Security()
    try:
        context = own.get_connection_args(role)["ssl_context"]
    except OSError as error:
        raise HostError(f"the certificate of Dask's configuration: {error}", WAY_OUT) from error
    if access.encrypted and not context:
        raise HostError(f"{access.address} wants a certificate, and there is no --tls", WAY_OUT)
    if own.require_encryption and not access.encrypted:
        raise HostError(f"{access.address} is not encrypted, as Dask's configuration wants it to be", WAY_OUT)
    return own


async def reach(access: Access, secured: Security, role: str) -> str:
    """This host's address through which it reaches the scheduler. Raises HostError if it does not."""
    arguments = secured.get_connection_args(role)
    try:
        # Dask's own limit is for the connection only, not for an answer over it.
        comm = await asyncio.wait_for(connect(access.address, timeout=CONNECT_S, **arguments), CONNECT_S + 1)
    except (FatalCommClosedError, ValueError) as error:  # ValueError: it spoke first, and in the clear
        raise HostError(
            f"the scheduler at {access.address} has another certificate, or none",
            "copy the folder of the scheduler's --tls to this host",
        ) from error
    except (OSError, TimeoutError) as error:
        raise no_scheduler(access, error) from error
    try:
        return str(get_address_host(comm.local_address))
    finally:
        await comm.close()


def no_scheduler(access: Access, error: BaseException) -> HostError:
    while error.__cause__:  # Dask's own words are of its objects
        error = error.__cause__
    return HostError(
        f"no scheduler answers at {access.address}: {str(error) or 'it is silent'}",
        f"start one: python run.py scheduler {access.words} (docs/cluster.md)",
    )


@contextmanager
def private(cache: Path) -> Iterator[None]:
    """For as long as a scheduler or a worker is there: its folder is ours, and its HTTP server answers nothing.

    Dask has Python look for modules in that folder first, and would take one in /tmp that another user may have made.
    """
    with ledger.folder(cache, "dask-") as folder:
        nothing: dict[str, list[str]] = {f"distributed.{role}.http.routes": [] for role in ("scheduler", "worker")}
        with dask.config.set({"temporary-directory": str(folder), **nothing}):
            yield


@asynccontextmanager
async def started(server: Any, place: str) -> AsyncIterator[None]:
    """Raises HostError if Dask's server cannot start at ``place``."""
    try:
        await server
    except TimeoutError as error:
        raise HostError(str(error), "is the scheduler still there, does it reach this host?") from error
    except RuntimeError as error:
        if not isinstance(error.__cause__, OSError | ValueError):
            raise  # a bug
        raise HostError(
            f"Dask cannot listen at {place}: {error.__cause__}", "name an address of this host, and a free port"
        ) from error
    async with server:
        yield


def serve(access: Access, cache: Path, say: Callable[[str], None]) -> None:
    """Be the scheduler until Ctrl-C. Raises HostError if it cannot listen there."""
    hush()
    ledger.begin(cache)
    ledger.reconcile(cache)
    with private(cache):
        until_interrupted(schedule(access, say))


async def schedule(access: Access, say: Callable[[str], None]) -> None:
    scheduler = Scheduler(host=access.address, security=security(access, "scheduler"), **HTTP)
    async with started(scheduler, access.address):
        say(f"scheduler at {access.address}; Ctrl-C ends it, and its workers")
        await scheduler.finished()


def until_interrupted(server: Coroutine[Any, Any, None]) -> None:
    """As asyncio.run, but Ctrl-C first has ``server`` close in order, before Dask's own tasks are cancelled.

    Nothing is raised where a signal comes, which may be within a task of Dask's. Raises KeyboardInterrupt afterwards.
    """
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(server)
        handlers = {
            number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(task.cancel)) for number in INTERRUPTS
        }
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def hush() -> None:
    """Dask's loggers set their own level when they are imported."""
    logging.getLogger("distributed").setLevel(logging.WARNING)
    logging.getLogger("distributed.diskutils").setLevel(logging.CRITICAL)  # that `private` has removed it before
