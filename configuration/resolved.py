"""Settings as they hold for one warm snapshot or one cell: resolved once, then carried; nobody looks them up again."""

from pydantic import SerializeAsAny

from configuration.condition import Base, Condition
from configuration.sections import TimeLimits, WarmSettings
from measure.settings import CheckSettings, SamplerSettings, StepSettings
from prefetch.settings import PrefetcherSettings
from testbed.section import Section
from testbed.settings import GuestSettings, TestbedSettings
from workloads.alpha.settings import AlphaSettings
from workloads.service_a.settings import ServiceASettings
from workloads.settings import BystanderSettings


class SnapshotSettings(Section):
    """What a warm snapshot is made with. ``prefetches``: the prefetcher is in it, as a cell forked from it uses it."""

    base: Base
    prefetches: bool
    testbed: TestbedSettings
    guest: GuestSettings
    service_a: ServiceASettings
    service: SerializeAsAny[Section]  # the section of the base's service
    alpha: AlphaSettings
    bystander: BystanderSettings
    steps: StepSettings
    warm: WarmSettings
    prefetcher: PrefetcherSettings
    limits: TimeLimits

    @property
    def disk_iops(self) -> int:
        """Operations a second that each disk does at most; 0 is as many as it can."""
        return 0


class CellSettings(SnapshotSettings):
    """What a cell is run with, besides what its snapshot was made with."""

    condition: Condition
    sampler: SamplerSettings
    checks: CheckSettings
    roles: dict[str, str]

    @property
    def disk_iops(self) -> int:
        return self.condition.disk_iops
