"""experiments.toml as checked, frozen models. Every mistake is reported at once, with its place."""

import re
import reprlib
import types
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from configuration.bars import Bars
from configuration.condition import Base, Condition, Processes
from measure.quota import STREAM_BYTES, TICK_BYTES
from testbed.connection import LibvirtUri
from testbed.errors import UsageError, nearest
from testbed.fields import Conditions, Count, Limit, Line, Name, Replicates, Seconds, Section, Seed, Share
from testbed.files.documents import MOST_TOML, Fault, parse_toml, read_bounded
from testbed.process import PROJECT
from workloads.service_a.dataset import EXPECTED_TITLES

# In the checkout, or beside this module where the package was installed (setup.py).
SHIPPED = PROJECT / "experiments.toml"
if not SHIPPED.exists():
    SHIPPED = Path(__file__).parent / "experiments.toml"
HOST = ("testbed", "dataset")  # the sections that say what this host reaches and runs, whoever's the rest is
MOST_TOLD = 10  # mistakes of a configuration; an empty one has 17
UNIONS = (Union, types.UnionType)
BASELINE = "baseline"  # what a condition is compared with unless it says otherwise


def several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Run(Section):
    """``suite``: one or several. ``conditions`` and ``replicates``, where given, take the place of the suites'."""

    suite: Annotated[tuple[Name, ...], BeforeValidator(several), Field(min_length=1)] = ("default",)
    conditions: Conditions | None = None
    replicates: Replicates | None = None
    seed: Seed


class Suite(Section):
    """Conditions that answer a question together."""

    answers: Line
    conditions: Conditions
    replicates: Replicates


class Testbed(Section):
    libvirt_uri: LibvirtUri
    accelerator: Literal["auto", "kvm", "tcg"]


class Guest(Section):
    memory_mib: Annotated[int, Field(ge=256, le=65536)]
    vcpus: Annotated[int, Field(ge=1, le=64)]
    root_gb: Annotated[int, Field(ge=2, le=1000)]
    swap_mib: Annotated[int, Field(ge=16, le=65536)]
    suite: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    kernel_arguments: Annotated[str, Field(pattern=r"^[ -~]*$")]
    attempts: Annotated[int, Field(ge=1, le=10)]


class DatasetSection(Section):
    source: Literal["auto", "path", "download", "synthetic"]
    path: str
    repository: Annotated[str, Field(pattern=r"^https?://[!-~]+$")]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    timeout_s: Limit
    seed: Annotated[int, Field(ge=0)]


class ServiceASection(Section):
    buffer_pool: Annotated[str, Field(pattern=r"^[1-9][0-9]*[KMG]?$")]
    title: str
    httpd_processes: Annotated[int, Field(ge=1, le=100)]
    ceiling_mib: Count

    @field_validator("title")
    @classmethod
    def _title_exists(cls, title: str) -> str:
        if title not in EXPECTED_TITLES:
            raise ValueError(f"the employees database has no title {title!r}; it has {', '.join(EXPECTED_TITLES)}")
        return title


class ServiceCSection(Section):
    httpd_processes: Processes = 2
    application_processes: Processes = 4


class AlphaSection(Section):
    size_mib: Count
    stride: Count
    bytes: Count
    ceiling_extra_mib: Annotated[int, Field(ge=0, le=1024)]

    @property
    def pages(self) -> int:
        """Pages of 4 KiB that it writes to, at least."""
        return -(-self.size_mib * 1024 * 1024 // max(self.stride, 4096))

    @model_validator(mode="after")
    def _bytes_fit(self) -> "AlphaSection":
        if self.bytes > self.stride:
            raise ValueError("bytes must not be larger than stride")
        return self


class BystanderSection(Section):
    size_mib: Annotated[int, Field(ge=0, le=65536)]


class Steps(Section):
    before_alpha_s: Seconds
    before_recording_s: Seconds
    before_request_s: Seconds
    after_response_s: Seconds


class Sampler(Section):
    interval_s: Annotated[float, Field(ge=0.01, le=60)]


class Warm(Section):
    requests: Annotated[int, Field(ge=0, le=100)]
    activations: Annotated[int, Field(ge=0, le=100)]
    idle_rounds: Annotated[int, Field(ge=0, le=100)]
    quiet_s: Seconds
    settle_s: Seconds


class Prefetcher(Section):
    quiet_ms: Annotated[int, Field(ge=100, le=3_600_000)]
    settle_ms: Annotated[int, Field(ge=100, le=3_600_000)]
    burst: Annotated[int, Field(ge=1, le=1000)]
    burst_ms: Annotated[int, Field(ge=1, le=60_000)]


class Limits(Section):
    boot_s: Limit
    login_s: Limit
    service_s: Limit
    alpha_s: Limit
    request_s: Limit
    build_s: Limit


class EstimateSection(Section):
    image_s: Seconds
    boot_s: Seconds
    alpha_s: Seconds
    request_s: Seconds
    overhead_s: Seconds
    cell_mb: Annotated[float, Field(ge=0, le=1_000_000)]


class Retry(Section):
    cell_attempts: Annotated[int, Field(ge=1, le=10)]
    same_failures: Annotated[int, Field(ge=1, le=100)] = 3  # of runs that do not say it yet


class Checks(Section):
    swapped_out_mib: Annotated[float, Field(ge=0, le=1_000_000)]
    sampler_late_s: Limit
    clock_jump_s: Limit
    steal_share: Share
    others_share: Share

    def beside(self, guests: int) -> "Checks":
        """As they are where so many guests run at a time: then others may take all of the host, which is told."""
        return self.model_copy(update={"others_share": 1.0}) if guests > 1 else self


class Configuration(Section):
    """The whole of experiments.toml."""

    run: Run
    testbed: Testbed
    guest: Guest
    dataset: DatasetSection
    service_a: ServiceASection
    service_c: ServiceCSection = ServiceCSection()  # of runs that do not say it yet
    alpha: AlphaSection
    bystander: BystanderSection = BystanderSection(size_mib=0)  # of runs that do not say it yet
    steps: Steps
    sampler: Sampler
    warm: Warm
    prefetcher: Prefetcher
    limits: Limits
    estimate: EstimateSection
    retry: Retry
    checks: Checks
    roles: Annotated[dict[str, str], Field(max_length=32)]
    suite: dict[Name, Suite] = Field(default_factory=dict)
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

    def of(self, name: str) -> "Configuration":
        """As it is for a condition, whose own settings take the place of the sections'."""
        condition = self.condition[name]
        changed = self.with_base(condition)
        if condition.alpha_mib is not None:
            changed = changed._with("alpha", size_mib=condition.alpha_mib)
        if condition.swapped_out_mib is not None:
            changed = changed._with("checks", swapped_out_mib=condition.swapped_out_mib)
        if condition.before_request_s is not None:
            changed = changed._with("steps", before_request_s=condition.before_request_s)
        return changed

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

    def condition_of(self, name: str) -> Condition:
        """Raises UsageError if there is none: the name may be of another person's plan."""
        if name not in self.condition:
            raise UsageError(f"the run's configuration.toml has no condition {name!r}", "restore the run's files")
        return self.condition[name]

    def with_base(self, base: Base) -> "Configuration":
        """As it is for the warm snapshot of a base."""
        if base.httpd_processes is None:
            return self
        return self._with("service_a", httpd_processes=base.httpd_processes)

    def _with(self, section: str, **values: object) -> "Configuration":
        return self.model_copy(update={section: getattr(self, section).model_copy(update=values)})


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
        lines = [f"{place}: {line}" for line in in_lines(error.errors())]
        more = [f"{place}: and {len(lines) - MOST_TOLD} more"] if len(lines) > MOST_TOLD + 1 else lines[MOST_TOLD:]
        raise UsageError(
            "\n".join([*lines[:MOST_TOLD], *more]), "every key is explained in experiments.toml"
        ) from error


def unprintable(value: object, key: str = "") -> Iterator[str]:
    """The places of words that a terminal may obey: settings may be another person's."""
    if isinstance(value, str) and not value.isprintable():
        yield key
    elif isinstance(value, dict):
        for name, item in value.items():
            inner = f"{key}.{printable(str(name))}" if key else printable(str(name))
            yield from unprintable(str(name), inner)
            yield from unprintable(item, inner)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from unprintable(item, f"{key}.{number}")


def in_lines(mistakes: Sequence[ErrorDetails]) -> list[str]:
    """A line for each, but for the keys that one table lacks: they share one."""
    lacking: dict[str, list[str]] = {}
    for mistake in mistakes:
        if mistake["type"] == "missing":
            *table, key = (printable(str(part)) for part in mistake["loc"])
            lacking.setdefault(".".join(table), []).append(key)
    lines = [f"{table + ': ' if table else ''}lacks {', '.join(keys)}" for table, keys in lacking.items()]
    return lines + [told(mistake) for mistake in mistakes if mistake["type"] != "missing"]


def told(mistake: ErrorDetails) -> str:
    """A mistake with its key, and with the nearest word that is right where one was mistyped."""
    where = mistake["loc"]
    key = ".".join(printable(str(part)) for part in where)
    text = printable(mistake["msg"].removeprefix("Value error, "))
    given = "" if mistake["type"] == "value_error" else f" (given: {reprlib.repr(mistake['input'])})"
    if mistake["type"] == "extra_forbidden":
        text = f"there is no such key{nearest(str(where[-1]), keys_at(where[:-1]))}"
    elif mistake["type"] == "literal_error":
        words = re.findall(r"'([^']*)'", mistake.get("ctx", {}).get("expected", ""))
        text += nearest(str(mistake["input"]), words, listed=False)
    return f"{key + ': ' if key else ''}{text}{given}"


def keys_at(where: tuple[int | str, ...]) -> list[str]:
    """The keys that a table of the configuration may have; ``where``: its own place."""
    kind: Any = Configuration
    for part in where:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(part))
            kind = field.annotation if field else None
        elif get_origin(kind) is dict:
            kind = get_args(kind)[1]
        # Of a table that may be left out, what it is where it is not.
        kind = (
            next((one for one in get_args(kind) if one is not type(None)), None) if get_origin(kind) in UNIONS else kind
        )
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)


def tuples(value: object) -> object:
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(tuples(item) for item in value)
    return value
