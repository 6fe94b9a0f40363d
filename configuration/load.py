"""experiments.toml as checked, frozen models. Every mistake is reported at once, with its place."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError, create_model, model_validator

from configuration.bars import Bars
from configuration.condition import Base, Condition
from configuration.mistakes import in_lines, unprintable
from configuration.resolved import CellSettings, SnapshotSettings
from configuration.sections import DurationSettings, RetrySettings, RunSettings, SuiteSection, TimeLimits, WarmSettings
from measure.quota import STREAM_BYTES, TICK_BYTES
from measure.settings import CheckSettings, SamplerSettings, StepSettings
from prefetch.settings import PrefetcherSettings
from testbed.errors import UsageError, nearest
from testbed.files.documents import MOST_TOML, Fault, parse_toml, read_bounded
from testbed.process import PROJECT
from testbed.section import Comm, Name, Section
from testbed.settings import GuestSettings, TestbedSettings
from workloads.alpha.settings import AlphaSettings
from workloads.service_a.dataset import DatasetSettings
from workloads.service_a.settings import ServiceASettings
from workloads.services import SERVICES
from workloads.settings import BystanderSettings

# In the checkout, or beside this module where the package was installed (setup.py).
SHIPPED = PROJECT / "experiments.toml"
if not SHIPPED.exists():
    SHIPPED = Path(__file__).parent / "experiments.toml"
HOST = ("testbed", "dataset")  # the sections that say what this host reaches and runs, whoever's the rest is
MOST_TOLD = 10  # mistakes of a configuration; an empty one has 17
BASELINE = "baseline"  # what a condition is compared with unless it says otherwise


# Each service of the registry has a section. Service A's says more: what every service is asked for, and may use.
if TYPE_CHECKING:
    ServiceSections = Section
else:
    OTHERS = {name: (service.settings | None, None) for name, service in SERVICES.items() if name != "service_a"}
    ServiceSections = create_model("ServiceSections", __base__=Section, **OTHERS)


class Configuration(ServiceSections):
    """The whole of experiments.toml."""

    run: RunSettings
    testbed: TestbedSettings
    guest: GuestSettings
    dataset: DatasetSettings
    service_a: ServiceASettings
    alpha: AlphaSettings
    bystander: BystanderSettings
    steps: StepSettings
    sampler: SamplerSettings
    warm: WarmSettings
    prefetcher: PrefetcherSettings
    limits: TimeLimits
    estimate: DurationSettings
    retry: RetrySettings
    checks: CheckSettings
    roles: Annotated[dict[Comm, str], Field(max_length=32)]
    suite: dict[Name, SuiteSection] = Field(default_factory=dict)
    bars: Bars
    condition: dict[Name, Condition]

    @model_validator(mode="after")
    def _suite_exists(self) -> "Configuration":
        whole = self.run.conditions is not None and self.run.replicates is not None
        for name in self.run.suite:
            if name not in self.suite and (self.suite or not whole):
                raise ValueError(f"run.suite: there is no suite {name!r}{nearest(name, self.suite)}")
        return self

    @model_validator(mode="after")
    def _conditions_exist(self) -> "Configuration":
        lists = {f"suite.{name}.conditions": suite.conditions for name, suite in self.suite.items()}
        lists["run.conditions"] = self.run.conditions or ()
        for place, names in lists.items():
            self._known(place, names)
            if len(set(names)) != len(names):
                raise ValueError(f"{place}: a condition is named twice")
        self._known("bars", self.bars.conditions())
        for name, condition in self.condition.items():
            if getattr(self, condition.service) is None:
                raise ValueError(f"condition.{name}.service: there is no section [{condition.service}]")
        for name, condition in self.condition.items():
            if condition.against == name != BASELINE:
                raise ValueError(f"condition.{name}.against: it is compared with itself; name another condition")
            if condition.against != BASELINE:
                self._known(f"condition.{name}.against", [condition.against])
        return self

    @model_validator(mode="after")
    def _recordings_fit(self) -> "Configuration":
        """Into what a guest may write: said now, not after hours."""
        waits = [self.steps.before_request_s, *(one.before_request_s or 0.0 for one in self.condition.values())]
        seconds = max(waits) + self.steps.after_response_s
        ticks = seconds / self.sampler.interval_s
        if ticks * TICK_BYTES > STREAM_BYTES:
            raise ValueError(
                f"sampler.interval_s: {ticks:,.0f} ticks in the {seconds:,.0f} s of a recording are more than the "
                f"{STREAM_BYTES // TICK_BYTES:,} that are kept; a longer interval has fewer"
            )
        return self

    def _known(self, place: str, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.condition:
                raise ValueError(f"{place}: there is no condition {name!r}{nearest(name, self.condition)}")

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions of each block: those of several suites each once."""
        suites = (self.suite[name].conditions for name in self.run.suite if name in self.suite)
        return self.run.conditions or tuple(dict.fromkeys(name for names in suites for name in names))

    @property
    def replicates(self) -> int:
        """The number of blocks: of several suites the most."""
        return self.run.replicates or max(self.suite[name].replicates for name in self.run.suite)

    def for_base(self, base: Base) -> SnapshotSettings:
        """What the warm snapshot of a base is made with: the base's settings take the place of the sections'."""
        return SnapshotSettings(**self._resolved(SnapshotSettings, base, {}))

    def for_condition(self, name: str) -> CellSettings:
        """What a cell of a condition is run with: the condition's settings take the place of the sections'.

        Raises UsageError if there is none of that name, which may be of another person's plan.
        """
        if name not in self.condition:
            raise UsageError(f"the run's configuration.toml has no condition {name!r}", "restore the run's files")
        condition = self.condition[name]
        own: dict[str, dict[str, object]] = {
            "alpha": {"size_mib": condition.alpha_mib},
            "checks": {"swapped_out_mib": condition.swapped_out_mib},
            "steps": {"before_request_s": condition.before_request_s},
        }
        return CellSettings(condition=condition, **self._resolved(CellSettings, condition.base, own))

    def _resolved(self, kind: type[SnapshotSettings], base: Base, own: dict[str, dict[str, object]]) -> dict[str, Any]:
        """The sections that ``kind`` has, with what ``own`` and the base say in their place; None says nothing."""
        own = {"service_a": {"httpd_processes": base.httpd_processes}, **own}
        sections = {name: getattr(self, name) for name in kind.model_fields if name in SECTIONS}
        for name, values in own.items():
            said = {key: value for key, value in values.items() if value is not None}
            sections[name] = sections[name].model_copy(update=said)
        service = sections.get(base.service) or getattr(self, base.service)
        return {**sections, "base": base, "service": service, "prefetches": self._prefetches(base.topology)}

    def _prefetches(self, topology: str) -> bool:
        """Whether a condition of this topology uses the prefetcher at all: its warm snapshot has it, then."""
        return any(one.topology == topology and one.policy != "none" for one in self.condition.values())

    def changed(self, section: str, values: dict[str, object]) -> "Configuration":
        """With other values in a section. Raises UsageError where they do not fit the rest."""
        if not values:
            return self
        all_values = self.model_dump()
        all_values[section] |= values
        return check(all_values, "the command line")

    def on_the_host_of(self, local: "Configuration") -> "Configuration":
        """The same experiment, with what ``local`` says of this host: a run may be another person's."""
        return self.model_copy(update={section: getattr(local, section) for section in HOST})


SECTIONS = frozenset(Configuration.model_fields) - {"condition"}


def load(path: Path, overrides: dict[str, dict[str, object]] | None = None) -> Configuration:
    """Read and check a configuration, with ``overrides`` ({section: {key: value}}).

    Raises UsageError naming the file and every wrong key.
    """
    values = parsed(read_configuration(path), path)
    for section, changes in (overrides or {}).items():
        if isinstance(values.get(section), dict):
            values[section].update(changes)
    return check(values, str(path))


def read_configuration(path: Path) -> bytes:
    """Raises UsageError. A link is followed: whoever names it means it, and a run that holds any is not opened."""
    try:
        return read_bounded(path.resolve(), MOST_TOML)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        raise UsageError(
            f"{path}: {getattr(error, 'strerror', None) or error}", "give a configuration: --config FILE"
        ) from error
    except Fault as fault:
        raise UsageError(f"{path}: {fault}", "give a configuration: --config FILE") from fault


def parsed(content: bytes, path: Path) -> dict[str, Any]:
    """Raises UsageError."""
    try:
        return parse_toml(content)
    except Fault as fault:
        raise UsageError(f"{path}: {fault}", "every key is explained in experiments.toml") from fault


def check(values: dict[str, object], place: str) -> Configuration:
    """Values as a Configuration. Raises UsageError, a line for every mistake."""
    if hidden := next(unprintable(values), ""):
        message = f"{place}: {hidden}: it holds a character that cannot be printed"
        raise UsageError(message, "settings are shown on terminals: write it without")
    try:
        # Lists of TOML and JSON are tuples here; strict mode keeps everything else as it was written.
        return Configuration.model_validate(tuples(values))
    except ValidationError as error:
        lines = [f"{place}: {line}" for line in in_lines(error.errors(), Configuration)]
        more = [f"{place}: and {len(lines) - MOST_TOLD} more"] if len(lines) > MOST_TOLD + 1 else lines[MOST_TOLD:]
        raise UsageError(
            "\n".join([*lines[:MOST_TOLD], *more]), "every key is explained in experiments.toml"
        ) from error


def tuples(value: object) -> object:
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(tuples(item) for item in value)
    return value
