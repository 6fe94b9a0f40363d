#!/usr/bin/env python3
"""Command line of the experiment harness: parses, calls experiment/, prints. See README.md."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent
OURS = PROJECT / ".venv"

# Whichever python is on PATH: the one that `make` set up has the pinned versions.
if (OURS / "bin" / "python").exists() and Path(sys.prefix) != OURS and __name__ == "__main__":
    os.execv(OURS / "bin" / "python", [str(OURS / "bin" / "python"), *sys.argv])  # noqa: S606 - our own words

try:
    from experiment import commands
    from experiment.interrupts import INTERRUPTED, Interrupts
    from experiment.progress import set_up_log
    from experiment.reading import SHIPPED
    from testbed.cache import default_cache
    from testbed.errors import HarnessError, HostError, printable
except ModuleNotFoundError as missing:
    print(f"run.py: the module {missing.name} is missing\n  way out: make setup", file=sys.stderr)
    if "doctor" in sys.argv:
        from testbed import host

        host.show(host.tools(), print)
    sys.exit(3)

EXAMPLES = """\
examples:
  python run.py                               the paper's figure and the prefetch: 30 cells
  python run.py --quick                       baseline and working-set, once each
  python run.py --suite prefetcher            is the prefetcher as good as it has to be? 56 cells
  python run.py --suite controls,peers        against its controls, and what else one would try: 224 cells
  python run.py --conditions baseline,siblings --replicates 8
  python run.py --resume latest               go on with what is not done
  python run.py clean --cache                 make room: leftovers, images and warm snapshots
  python run.py report latest                 tables, figures and report again, from the raw records
  python run.py compare reference latest      two runs side by side
  python run.py shell                         a root shell in a fork of the warm snapshot
  python run.py console latest 03-working-set what that cell's guest wrote to its console

exit codes: 0 done; 1 some cell does not count, or compare --fail-on found it; 2 command line or configuration;
3 this host cannot; 4 the guest failed; 5 cells kept failing in the same way; 130 interrupted
"""


def place(name: str) -> Path:
    """Of a folder that is written to: in the checkout, or where such things go if the package was installed."""
    return (PROJECT if (PROJECT / "pyproject.toml").exists() else Path.cwd()) / name


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="run.py",
        description="Boot a real guest, run the paper's steps under each condition, and leave results/<run>/.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--config", type=Path, default=SHIPPED, metavar="FILE",
                     help="every number of the experiment (experiments.toml)")  # fmt: skip
    top.add_argument("--results", type=Path, default=place("results"), metavar="DIR", help="results go below DIR")
    top.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR",
                     help="images and warm snapshots (about 5 GB)")  # fmt: skip
    top.add_argument("-v", "--verbose", action="store_true", help="show each step")
    top.add_argument("--accel", choices=("auto", "kvm", "tcg"), help="what runs the guest's instructions")
    top.add_argument("--quick", action="store_true", help="baseline and working-set, once each")
    top.add_argument("--suite", metavar="A,B",
                     help="conditions and replicates that answer a question together (default: default)")  # fmt: skip
    top.add_argument("--conditions", metavar="A,B", help="instead of the suite's, separated by commas")
    top.add_argument(
        "--replicates", type=int, metavar="N", help="instead of the suite's: blocks of one cell a condition"
    )
    top.add_argument("--seed", type=int, metavar="N", help="of the order of conditions within each block")
    top.add_argument("--like", metavar="RUN",
                     help="a new run with that run's settings, but for what this host reaches and runs "
                          "([testbed], [dataset]); what differs is shown first")  # fmt: skip
    top.add_argument("--resume", metavar="RUN", help="go on with a run that is not done")
    top.add_argument("--dry-run", action="store_true", help="print the plan, its time and its disk; start nothing")
    top.add_argument("--keep-guest", choices=("never", "on-failure"), default="never",
                     help="when a cell fails, keep its guest until Enter, and say how to log in")  # fmt: skip
    top.add_argument("--jobs", type=int, default=1, metavar="N",
                     help="guests at a time on this host; disturbs times, and the result says so (1)")  # fmt: skip
    top.add_argument("--scheduler", metavar="ADDRESS",
                     help="run the cells on hosts of a scheduler: tls://HOST:8786 (docs/cluster.md)")  # fmt: skip
    add_access(top, of="with --scheduler: ")
    top.add_argument("--workers", type=int, default=1, metavar="N",
                     help="with --scheduler: begin once so many are there, within 10 minutes (1)")  # fmt: skip
    top.add_argument("--cache-limit", type=float, default=30, metavar="GB",
                     help="of the cache: what was least recently used is removed (30)")  # fmt: skip
    commands_ = top.add_subparsers(dest="command", metavar="COMMAND", title="other commands")
    commands_.add_parser("doctor", help="what this host has, lacks, and how to get it")
    commands_.add_parser("prepare", help="build image and warm snapshots of the conditions chosen; run none")
    report = commands_.add_parser("report", help="write a run's tables, figures and report again, without a guest")
    report.add_argument("run", nargs="?", default="latest", metavar="RUN", help='a run\'s name, or "latest"')
    found = commands_.add_parser("findings", help="what a run says of the paper's proposal, in sentences (Markdown)")
    found.add_argument("run", nargs="?", default="latest", metavar="RUN", help='a run\'s name, or "latest"')
    review = commands_.add_parser("notebook", help="execute analysis/review.ipynb on a run and keep the copy there")
    review.add_argument("run", nargs="?", default="latest", metavar="RUN", help='a run\'s name, or "latest"')
    pack = commands_.add_parser("pack", help="a copy of a run with its raw streams compressed, to commit or to send")
    pack.add_argument("run", metavar="RUN", help='a run\'s name, or "latest"')
    pack.add_argument("name", metavar="NAME", help="of the copy, below results/")
    compare = commands_.add_parser("compare", help="two runs side by side, with a verdict")
    for name in ("a", "b"):
        compare.add_argument(f"run_{name}", metavar=f"RUN_{name.upper()}",
                             help='a run\'s name or "latest"; RUN:CONDITION for one condition of it')  # fmt: skip
    compare.add_argument("--fail-on", metavar="A,B", help="exit code 1 if B has one: regression, flipped-claim, lost")
    compare.add_argument("--summary", type=Path, metavar="FILE", help="appended as Markdown; - is the terminal")
    clean = commands_.add_parser("clean", help="end and remove what killed runs left behind; results stay")
    clean.add_argument("--cache", dest="images", action="store_true", help="images and warm snapshots, too")
    clean.add_argument("--dry-run", action="store_true", help="only say what there is, and how large")
    shell = commands_.add_parser("shell", help="a root shell in a guest of your own, gone afterwards")
    shell.add_argument("what", nargs="?", default="lxc", metavar="CELL|SNAPSHOT",
                       help="of a warm snapshot (lxc; plain), or of a run's cell, under its condition")  # fmt: skip
    shell.add_argument("--run", default="latest", metavar="RUN", help="of the cell (latest)")
    console = commands_.add_parser("console", help="what a cell's guest wrote to its console, failed attempts too")
    console.add_argument("run", metavar="RUN", help='a run\'s name, or "latest"')
    console.add_argument("cell", metavar="CELL", help="such as 03-working-set")
    made = commands_.add_parser("certificate", help="a key and a certificate for --tls, which is all that lets one in")
    made.add_argument("folder", type=Path, metavar="FOLDER", help="to make; copied to every host of a run")
    made.add_argument("--days", type=int, default=365, metavar="N", help="for which it is valid (365)")
    scheduler = commands_.add_parser("scheduler", help="where runs and workers find each other (docs/cluster.md)")
    scheduler.add_argument("address", metavar="ADDRESS", help="of this host, to listen at: tls://HOST:8786")
    add_access(scheduler, default=argparse.SUPPRESS)
    worker = commands_.add_parser("worker", help="run cells for the runs of other hosts (docs/cluster.md)")
    worker.add_argument("address", metavar="ADDRESS", help="of the scheduler: tls://HOST:8786")
    add_access(worker, default=argparse.SUPPRESS)
    worker.add_argument("--guests", type=int, default=1, metavar="N", help="at a time (1)")
    worker.add_argument("--host", metavar="ADDRESS",
                        help="to listen on (that through which this host reaches the scheduler)")  # fmt: skip
    worker.add_argument("--port", type=int, default=0, metavar="N", help="to listen on (any that is free)")
    bench = commands_.add_parser("bench", help="measure what the harness or the prefetcher costs (boots guests)")
    bench.add_argument("of", nargs="?", default="harness", choices=("harness", "prefetcher", "growth"),
                       help="the harness (6 cells), prefetchd at rest and beside a neighbour (20 min), or how time, "
                            "disk and report grow with the number of cells (no guest)")  # fmt: skip
    bench.add_argument("--pairs", type=int, default=10, metavar="N",
                       help="of prefetcher: rounds with it and without (10)")  # fmt: skip
    bench.add_argument("--cells", default="10,100,1000", metavar="A,B",
                       help="of growth: the sizes of the runs (10,100,1000)")  # fmt: skip
    bench.add_argument("--out", type=Path, metavar="FILE", help="of prefetcher and growth: all of it, as JSON")
    return top


def add_access(to: argparse.ArgumentParser, of: str = "", **default: Any) -> None:
    """``default``: SUPPRESS, so that a command leaves what stands ahead of it."""
    to.add_argument("--tls", type=Path, metavar="FOLDER", **default,
                    help=f"{of}the folder that `certificate` made; who has it is let in, and nobody else")  # fmt: skip
    to.add_argument("--let-anyone-in", action="store_true", **default,
                    help=f"{of}take an address without TLS: whoever reaches the port of the scheduler or of a worker, "
                         "any user of these hosts included, can run programs as you")  # fmt: skip


def main(words: Sequence[str] | None = None) -> int:
    given = parser().parse_args(words)
    set_up_log(logging.DEBUG if given.verbose else logging.WARNING)
    try:
        with Interrupts():
            return commands.dispatch(given)
    except HarnessError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(
            f"run.py: {printable(str(error))}\n  way out: look at the disk and at the rights of that place",
            file=sys.stderr,
        )
        return HostError.exit_code
    except KeyboardInterrupt:
        print("\nrun.py: interrupted; no guest runs any more, and nothing recorded is lost", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
