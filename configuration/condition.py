"""Conditions: what differs between cells. A new one of a kind that is here takes lines in experiments.toml, no code."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from testbed.section import Count, Name, Processes, Seconds, Section
from workloads.services import known

Policy = Literal["none", "off", "siblings", "working-set", "same-process", "other-container", "container", "oracle"]


def downward(path: str) -> str:
    if ".." in path.split("/"):
        raise ValueError("a path without '..' is wanted")
    return path


Setting = Annotated[str, Field(pattern=r"^/(proc/sys|sys)/[\w./-]+$"), AfterValidator(downward)]

# Of prefetchd --help: those that change how much it prefetches, and when, and not what the harness needs of it.
OPTIONS = "early|trust|busy-percent|share-percent|max-mib|depth|hold|keep|pool-mib"
Option = Annotated[str, Field(pattern=f"^({OPTIONS})$")]
OptionValue = Annotated[str, Field(pattern=r"^[\w.-]+$")]


class Advance(Section):
    """Something that is done in the guest so many seconds before the request."""

    action: Literal["wake", "swap-cycle", "read-memory"]
    seconds: Annotated[float, Field(gt=0, le=3600)]


class Base(Section):
    """What a warm snapshot is made for: all cells of the same base are forks of the same one."""

    topology: Literal["plain", "lxc"]
    service: Annotated[str, AfterValidator(known)] = "service_a"
    httpd_processes: Processes | None = None  # None: those of [service_a]

    @property
    def name(self) -> str:
        """As in the cache and on the command line: lxc, lxc-service_c, lxc-20-processes."""
        service = "" if self.service == "service_a" else f"-{self.service}"
        return f"{self.topology}{service}" + (f"-{self.httpd_processes}-processes" if self.httpd_processes else "")


LXC = Base(topology="lxc")


class Condition(Base):
    """A cell's settings. What is None is as the sections of experiments.toml say."""

    answers: str
    policy: Policy
    against: Name = "baseline"  # what it is compared with
    groups: Literal["containers", "programs"] = "containers"
    prefetchd: dict[Option, OptionValue] = Field(default_factory=dict)
    pressure: bool = True
    alpha_mib: Count | None = None
    before_request_s: Seconds | None = None
    swapped_out_mib: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    disk_iops: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    guest: dict[Setting, str] = Field(default_factory=dict)
    before_swapon: dict[Setting, str] = Field(default_factory=dict)
    swap: Literal["disk", "zram"] = "disk"
    peer: Literal["none", "damon", "own-madvise"] = "none"
    advance: Advance | None = None

    @model_validator(mode="after")
    def _is_possible(self) -> "Condition":
        recorder = self.advance is not None and self.advance.action == "wake"
        if recorder and self.policy in ("none", "off", "same-process"):
            raise ValueError(f"advance.action: with policy {self.policy!r} there is nothing to wake for")
        if self.service != "service_a" and self.httpd_processes is not None:
            raise ValueError("httpd_processes: those of service_a alone are a condition's")
        if self.renews_swap and not self.pressure:
            raise ValueError("before_swapon, swap: without pressure there is nothing in swap")
        if self.groups == "programs" and self.policy not in ("off", "siblings", "container", "same-process"):
            raise ValueError(f"groups: of programs nothing is learnt that policy {self.policy!r} could use")
        if self.prefetchd and self.policy == "none":
            raise ValueError("prefetchd: with policy 'none' it does not run")
        contained = self.peer != "none" or self.advance or self.policy == "oracle" or self.service != "service_a"
        if self.topology == "plain" and contained:
            raise ValueError("peer, advance, service and policy 'oracle' need topology 'lxc'")
        return self

    @property
    def base(self) -> Base:
        return Base(topology=self.topology, service=self.service, httpd_processes=self.httpd_processes)

    @property
    def own_settings(self) -> list[str]:
        """What a plan says of it besides topology and policy."""
        advance = self.advance
        settings = {
            f"prefetcher watches {self.groups}": self.groups != "containers",
            "no pressure": not self.pressure,
            self.service: self.service != "service_a",
            f"{self.httpd_processes} processes": self.httpd_processes is not None,
            f"alpha of {self.alpha_mib} MiB": self.alpha_mib is not None,
            f"request after {self.before_request_s} s": self.before_request_s is not None,
            f"{self.disk_iops} operations/s a disk": self.disk_iops > 0,
            f"swap in {self.swap}": self.swap != "disk",
            self.peer: self.peer != "none",
            advance and f"{advance.action} {advance.seconds} s before": advance is not None,
        }
        options = [f"prefetchd --{option} {value}" for option, value in self.prefetchd.items()]
        written = [f"{file} = {value}" for file, value in {**self.before_swapon, **self.guest}.items()]
        return [*(str(setting) for setting, holds in settings.items() if holds), *options, *written]

    @property
    def renews_swap(self) -> bool:
        """Whether swap is switched off and on again before alpha starts: all of service A is in memory then."""
        return bool(self.before_swapon) or self.swap != "disk"
