"""Service C in a guest: the files of nginx, the WSGI application and Valkey, and when it is ready.

It asks the same question as service A, of the same rows, so that its answer is checked in the same way.
"""

import time
from pathlib import Path

from testbed.errors import GuestError
from testbed.ssh.shell import File, Shell
from workloads.service import Service
from workloads.service_c.settings import ServiceCSettings
from workloads.service_c.stage import valkey_stage
from workloads.topology import render

FILES = Path(__file__).parent / "files"
APPLICATION_SOCKET = "/run/service_c/application.sock"
VALKEY_SOCKET = "/run/valkey/valkey.sock"
# gunicorn listens before its workers are up, and a request waits for them; Valkey answers PONG when all is loaded.
READY = f"test -S {APPLICATION_SOCKET} && valkey-cli -s {VALKEY_SOCKET} PING"


def files(settings: ServiceCSettings, title: str) -> list[File]:
    """What service C consists of besides its packages and its dump."""
    nginx = render("service_c/files/nginx.conf.j2", httpd_processes=settings.httpd_processes)
    gunicorn = render(
        "service_c/files/gunicorn.conf.py.j2",
        title=title,
        application_processes=settings.application_processes,
    )
    return [
        File("/srv/service_c/application.py", (FILES / "application.py").read_bytes()),
        File("/usr/local/lib/service_c/start", (FILES / "start").read_bytes(), 0o755),
        File("/etc/service_c/nginx.conf", nginx),
        File("/etc/service_c/gunicorn.conf.py", gunicorn),
        File("/etc/service_c/valkey.conf", (FILES / "valkey.conf").read_bytes()),
    ]


def wait_ready(shell: Shell, container: str | None, limit: float) -> None:
    """Wait until the application listens and Valkey has loaded its dump.

    Raises GuestError after ``limit`` seconds, with Valkey's last answer.
    """
    inside = ["lxc-attach", f"--name={container}", "--"] if container else []
    deadline = time.monotonic() + limit
    answer = ""
    while time.monotonic() < deadline:
        answer = shell.run(*inside, "sh", "-c", READY, check=False).strip()
        if answer == "PONG":
            return
        time.sleep(0.5)
    raise GuestError(f"service C was not ready within {limit:.0f} s: {answer or 'no answer'}")


SERVICE = Service(ServiceCSettings, files, wait_ready, valkey_stage)
