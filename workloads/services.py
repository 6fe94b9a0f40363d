"""The services, a line each. A service is a folder beside this file; its deploy.py has what service.py asks for."""

from importlib import import_module

from workloads.service import Service
from workloads.topology import WORKLOADS

NAMES = (
    "service_a",
    "service_c",
)
SERVICES: dict[str, Service] = {name: import_module(f"workloads.{name}.deploy").SERVICE for name in NAMES}
# What a service's state in a guest depends on besides its settings.
RECIPE = tuple(WORKLOADS / name / part for name in NAMES for part in ("files", "deploy.py"))


def known(name: str) -> str:
    """Raises ValueError for a service that is not there."""
    if name not in NAMES:
        raise ValueError(f"there is no service {name!r}; there are {', '.join(NAMES)}")
    return name
