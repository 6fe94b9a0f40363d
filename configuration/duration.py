"""How long a plan takes and how much it leaves, from the steps and from what this kind of machine took. Pure."""

from dataclasses import dataclass

from configuration.load import Configuration
from configuration.plan import Plan, bases


@dataclass(frozen=True)
class Estimate:
    """Seconds and megabytes (10^6 bytes); ``cell_seconds`` are a cell's on average."""

    cell_seconds: float
    seconds: float
    build_seconds: float
    disk_mb: float


def estimate(configuration: Configuration, plan: Plan) -> Estimate:
    """For a cache that has image and snapshots; ``build_seconds`` come on top where it has not."""
    steps, usual = configuration.steps, configuration.estimate
    waits = steps.before_alpha_s + steps.before_recording_s + steps.after_response_s
    conditions = [configuration.condition[cell.condition] for cell in plan.cells]
    performed = [*conditions, *(condition for condition in conditions if condition.policy == "oracle")]  # its rehearsal
    pressed = sum(condition.pressure for condition in performed)
    idle = sum(steps.before_request_s if c.before_request_s is None else c.before_request_s for c in performed)
    rounds = configuration.warm.idle_rounds * sum(condition.renews_swap for condition in performed)
    # Without pressure a request takes alpha's place. Slow disks cost a cell less than its times vary.
    seconds = (
        len(performed) * (usual.overhead_s + waits + usual.request_s)
        + idle
        + (pressed + rounds) * usual.alpha_s
        + (len(performed) - pressed) * usual.request_s
    )
    warm = configuration.warm
    snapshot = (
        usual.boot_s
        + warm.requests * usual.request_s
        + warm.activations * (usual.alpha_s + warm.quiet_s + usual.request_s + warm.settle_s)
        + warm.activations * warm.idle_rounds * usual.alpha_s
    )
    build = usual.image_s + len(bases(configuration, plan.cells)) * snapshot
    return Estimate(seconds / len(plan.cells), seconds, build, usual.cell_mb * len(performed))
