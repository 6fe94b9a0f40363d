"""What can be known to fail before anything is built for it: minutes later it would be too late."""

import measure.install
import peers.install
import prefetch.install
from configuration.load import Configuration
from testbed import accelerator
from testbed.connection import EMBEDDED, connect
from testbed.errors import HostError, UsageError
from testbed.process import run
from workloads.alpha import install as alpha_install

PROGRAMS = (measure.install.BINARY, *prefetch.install.BINARIES, *peers.install.BINARIES, alpha_install.BINARY)


def refuse_early(configuration: Configuration) -> None:
    """Raises HostError where a program, KVM's device or libvirt is not there, UsageError for options of prefetchd."""
    if missing := [path for path in PROGRAMS if not path.is_file()]:
        raise HostError(f"{missing[0]} is not built", "make programs")
    for name, condition in configuration.condition.items():
        if condition.prefetchd:
            try_options(name, condition.prefetchd)
    accelerator.refuse_early(configuration.testbed.accelerator)
    if configuration.testbed.libvirt_uri != EMBEDDED:
        with connect(configuration.testbed.libvirt_uri):
            pass


def try_options(condition: str, options: dict[str, str]) -> None:
    """Ask prefetchd itself, which starts only in a guest."""
    words = [word for option, value in options.items() for word in (f"--{option}", value)]
    daemon, *_ = prefetch.install.BINARIES
    try:
        run([daemon, "--config", "/dev/null", "--group", "any=any", *words, "--check"], timeout=10)
    except HostError as error:
        said = error.args[0].strip().splitlines()[-1].strip()
        raise UsageError(f"condition.{condition}.prefetchd: {said}", "prefetchd --help has the options") from error
