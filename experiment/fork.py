"""Forks of a warm snapshot: its guest once more, on disks of its own, and gone afterwards."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from configuration.resolved import SnapshotSettings
from experiment.building.snapshot import Snapshot
from testbed.connection import connect
from testbed.guest import Guest, restore
from testbed.ssh.shell import Shell


@contextmanager
def paused_fork(settings: SnapshotSettings, snapshot: Snapshot, overlays: Path) -> Iterator[Guest]:
    """A fork that does not run yet. Its disks are made in the folder ``overlays``."""
    with (
        connect(settings.testbed.libvirt_uri) as (connection, sockets),
        restore(
            connection,
            sockets,
            snapshot.image,
            snapshot.memory,
            snapshot.disks,
            overlays,
            disk_iops=settings.disk_iops,
        ) as guest,
    ):
        yield guest


@contextmanager
def fork(settings: SnapshotSettings, snapshot: Snapshot, overlays: Path) -> Iterator[tuple[Guest, Shell]]:
    """A fork that runs, and a session with it. Raises GuestError, with the reason where the guest has ended."""
    with paused_fork(settings, snapshot, overlays) as guest, guest.explained():
        guest.resume()
        with closing(guest.shell(settings.limits.login_s)) as shell:
            yield guest, shell
