"""`--dry-run`: the plan, its time and its disk."""

from rich.console import Console

from configuration.duration import Estimate
from configuration.load import Configuration
from configuration.plan import Plan
from experiment.needs import CACHE_GIB
from experiment.progress import clock


def show_plan(settings: Configuration, plan: Plan, expected: Estimate, console: Console) -> None:
    show_suite(settings, console)
    show_lonely(settings, plan, console)
    for number, cell in enumerate(plan.cells, start=1):
        line = f"{number:4}  {cell.name}  topology {cell.topology}, policy {cell.policy}"
        console.print(", ".join((line, *settings.condition[cell.condition].own_settings)))
    console.print(
        f"{len(plan.cells)} cells of about {clock(expected.cell_seconds)}: {clock(expected.seconds)} and "
        f"{expected.disk_mb:.0f} MB of results, with image and snapshots in the cache; "
        f"{clock(expected.build_seconds)} and {CACHE_GIB} GB more without",
    )


def show_lonely(settings: Configuration, plan: Plan, console: Console) -> None:
    """Conditions that are compared with one that the plan lacks, so that nothing will be said of their effect."""
    names = list(dict.fromkeys(cell.condition for cell in plan.cells))
    for name in names:
        against = settings.condition[name].against
        if name != against and against not in names:
            console.print(f"{name} is compared with nothing: {against} is not among the conditions (--conditions)")


def show_suite(settings: Configuration, console: Console) -> None:
    """What the cells are to answer, and which suites there are besides."""
    given = settings.run
    for name in given.suite:
        suite = settings.suite.get(name)
        if suite and given.conditions:
            console.print(f"own conditions instead of those of suite {name}")
        elif suite:
            replicates = settings.replicates
            changed = f", {replicates} instead of {suite.replicates} replicates"
            console.print(f"suite {name}{changed if replicates != suite.replicates else ''}: {suite.answers}")
    if settings.suite:
        console.print(f"suites, for --suite: {', '.join(settings.suite)}")
