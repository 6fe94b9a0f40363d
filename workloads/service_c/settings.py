"""The section [service_c] of experiments.toml."""

from testbed.section import Processes, Section


class ServiceCSettings(Section):
    httpd_processes: Processes = 2
    application_processes: Processes = 4
