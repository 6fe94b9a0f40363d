"""Service A in a guest: the files of httpd, query.cgi and the RDBMS, and when it is ready."""

import time
from pathlib import Path

from testbed.errors import GuestError
from testbed.ssh.shell import File, Shell
from workloads.service import Service
from workloads.service_a.settings import ServiceASettings
from workloads.topology import render

FILES = Path(__file__).parent / "files"


def files(settings: ServiceASettings, title: str) -> list[File]:
    """What service A consists of besides its packages and its database."""
    httpd = render("service_a/files/httpd.conf.j2", title=title, httpd_processes=settings.httpd_processes)
    rdbms = render("service_a/files/rdbms.cnf.j2", buffer_pool=settings.buffer_pool)
    return [
        File("/srv/service_a/query.cgi", (FILES / "query.cgi").read_bytes(), 0o755),
        File("/usr/local/lib/service_a/start", (FILES / "start").read_bytes(), 0o755),
        File("/etc/service_a/httpd.conf", httpd),
        File("/etc/mysql/mariadb.conf.d/90-service-a.cnf", rdbms),
    ]


def wait_ready(shell: Shell, container: str | None, limit: float) -> None:
    """Wait until the RDBMS answers and its buffer pool is loaded again.

    Raises GuestError after ``limit`` seconds, with the RDBMS's last answer.
    """
    status = "SHOW STATUS LIKE 'Innodb_buffer_pool_load_status'"
    inside = ["lxc-attach", f"--name={container}", "--"] if container else []
    deadline = time.monotonic() + limit
    answer = ""
    while time.monotonic() < deadline:
        answer = shell.run(*inside, "mariadb", "--batch", "--skip-column-names", "-e", status, check=False)
        if "completed" in answer:
            return
        time.sleep(0.5)
    raise GuestError(f"the RDBMS was not ready within {limit:.0f} s: {answer.strip() or 'no answer'}")


SERVICE = Service(ServiceASettings, files, wait_ready)
