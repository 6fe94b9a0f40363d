"""The sections of experiments.toml that belong to no folder below: what is run, and how long it may take."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from testbed.section import Conditions, Limit, Line, Name, Replicates, Seconds, Section, Seed


def several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class RunSettings(Section):
    """``suite``: one or several. ``conditions`` and ``replicates``, where given, take the place of the suites'."""

    suite: Annotated[tuple[Name, ...], BeforeValidator(several), Field(min_length=1)] = ("default",)
    conditions: Conditions | None = None
    replicates: Replicates | None = None
    seed: Seed


class SuiteSection(Section):
    """Conditions that answer a question together."""

    answers: Line
    conditions: Conditions
    replicates: Replicates


class WarmSettings(Section):
    requests: Annotated[int, Field(ge=0, le=100)]
    activations: Annotated[int, Field(ge=0, le=100)]
    idle_rounds: Annotated[int, Field(ge=0, le=100)]
    quiet_s: Seconds
    settle_s: Seconds


class TimeLimits(Section):
    boot_s: Limit
    login_s: Limit
    service_s: Limit
    alpha_s: Limit
    request_s: Limit
    build_s: Limit


class DurationSettings(Section):
    image_s: Seconds
    boot_s: Seconds
    alpha_s: Seconds
    request_s: Seconds
    overhead_s: Seconds
    cell_mb: Annotated[float, Field(ge=0, le=1_000_000)]


class RetrySettings(Section):
    cell_attempts: Annotated[int, Field(ge=1, le=10)]
    same_failures: Annotated[int, Field(ge=1, le=100)]
