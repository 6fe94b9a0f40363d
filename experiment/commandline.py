"""The command line as data: options, the commands that use them, exit codes; and what is said of any other word.

A command's module has a function ``run`` that takes what the words say and returns the exit code.

Nothing is imported here that takes time: whoever asks for help has it at once.
"""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from testbed.errors import EXIT_CODES, UsageError, nearest

PROGRAM = "run.py"
RUN = 'a run\'s name, or its folder, or "latest"'


class Refused(argparse.ArgumentTypeError):
    """A value that an option does not take; the message says what it takes."""


def whole(least: int, most: int = 100_000) -> Callable[[str], int]:
    def read(word: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", word):
            raise Refused(f"expected a whole number, not {word[:40]!r}")
        if not least <= int(word) <= most:
            raise Refused(f"expected {least} to {most}, not {word}")
        return int(word)

    return read


def one_of(*known: str) -> Callable[[str], str]:
    def read(word: str) -> str:
        if word not in known:
            raise Refused(f"expected {', '.join(known)}, not {word[:40]!r}")
        return word

    return read


def gigabytes(word: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", word) or float(word) == 0:
        raise Refused(f"expected a number of gigabytes above 0, not {word[:40]!r}")
    return float(word)


def given_path(word: str) -> Path:
    if not word or "\0" in word:
        raise Refused("expected a path, not nothing")
    return Path(word)


def given_word(word: str) -> str:
    if not word.strip():
        raise Refused("expected a name, not nothing")
    return word


@dataclass(frozen=True)
class Option:
    """``default``: what it is where it is not given. The rest is argparse's."""

    flags: tuple[str, ...]
    help: str
    default: Any = None
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As an attribute of what was given."""
        return str(self.keywords.get("dest") or self.flags[-1].lstrip("-").replace("-", "_"))


def option(flag: str, help: str, *, short: str = "", default: Any = None, **keywords: Any) -> Option:
    flags = (short, flag) if short else (flag,)
    if not keywords.get("action"):
        keywords = {"type": given_word, **keywords}
    return Option(flags, help, False if keywords.get("action") == "store_true" else default, keywords)


OPTIONS = (
    option("--config", "every number of the experiment (experiments.toml)", metavar="FILE", type=given_path),
    option("--results", "results go below DIR", metavar="DIR", type=given_path),
    option("--cache", "images and warm snapshots, about 5 GB, lie below DIR", metavar="DIR", type=given_path),
    option("--verbose", "show each step", short="-v", action="store_true"),
    option("--accel", "what runs the guest's instructions", metavar="auto|kvm|tcg", type=one_of("auto", "kvm", "tcg")),
    option("--quick", "baseline and working-set, once each", action="store_true"),
    option("--suite", "conditions and replicates that answer a question together (default)", metavar="A,B"),
    option("--conditions", "instead of the suite's, separated by commas", metavar="A,B"),
    option("--replicates", "instead of the suite's: blocks of one cell a condition", metavar="N",
           type=whole(1, 10_000)),
    option("--seed", "of the order of conditions within each block", metavar="N", type=whole(0, 2**31 - 1)),
    option("--like", "with that run's settings, but for what this host reaches and runs ([testbed], [dataset]); what "
           "differs is shown first", metavar="RUN"),
    option("--resume", "go on with a run that is not done", metavar="RUN"),
    option("--dry-run", "only say what would be done; start and delete nothing", action="store_true"),
    option("--keep-guest", "when a cell fails, keep its guest until Enter, and say how to log in",
           metavar="never|on-failure", type=one_of("never", "on-failure"), default="never"),
    option("--jobs", "guests at a time on this host; disturbs times, and the result says so (1)", metavar="N",
           type=whole(1), default=1),
    option("--scheduler", "run the cells on hosts of a scheduler: tls://HOST:8786 (docs/cluster.md)",
           metavar="ADDRESS"),
    option("--tls", "the folder that `certificate` made; who has it is let in, and nobody else", metavar="FOLDER",
           type=given_path),
    option("--let-anyone-in", "take an address without TLS: whoever reaches the port of the scheduler or of a worker, "
           "any user of these hosts included, can run programs as you", action="store_true"),
    option("--workers", "of a scheduler: begin once so many are there, within 10 minutes (1)", metavar="N",
           type=whole(1), default=1),
    option("--cache-limit", "of the cache: what was least recently used is removed (30)", metavar="GB", type=gigabytes,
           default=30.0),
    option("--open", "show the report in a browser", action="store_true"),
    option("--fail-on", "exit code 1 if B has one: regression, flipped-claim, lost", metavar="A,B"),
    option("--summary", "appended to FILE as Markdown; - is the terminal", metavar="FILE", type=given_path),
    option("--images", "images and warm snapshots, too", action="store_true"),
    option("--run", "of the cell (latest)", metavar="RUN", default="latest"),
    option("--days", "for which it is valid (365)", metavar="N", type=whole(1, 36_500), default=365),
    option("--guests", "at a time (1)", metavar="N", type=whole(1), default=1),
    option("--host", "to listen on (that through which this host reaches the scheduler)", metavar="ADDRESS"),
    option("--port", "to listen on (any that is free)", metavar="N", type=whole(0, 65_535), default=0),
    option("--pairs", "of prefetcher: rounds with it and without (10)", metavar="N", type=whole(1, 10_000), default=10),
    option("--cells", "of growth: the sizes of the runs (10,100,1000)", metavar="A,B", default="10,100,1000"),
    option("--out", "of prefetcher and growth: all of it, as JSON", metavar="FILE", type=given_path),
)  # fmt: skip
BY_NAME = {one.name: one for one in OPTIONS}


@dataclass(frozen=True)
class Argument:
    """A word that stands by its place. ``default``: where it may be left out."""

    name: str
    metavar: str
    help: str
    default: str | None = None
    type: Callable[[str], object] = given_word


@dataclass(frozen=True)
class Command:
    """``uses``: names of OPTIONS, besides --verbose. The one without a name is what run.py does by itself."""

    name: str
    help: str
    uses: tuple[str, ...]
    arguments: tuple[Argument, ...] = ()
    folder: str = ""  # of its module, below experiment/commands/

    @property
    def module(self) -> str:
        return ".".join(filter(None, ("experiment.commands", self.folder, self.name or "reproduce")))


THE_RUN = Argument("run", "RUN", RUN, "latest")
CHOICE = ("config", "results", "cache", "accel", "quick", "suite", "conditions", "like")
COMMANDS = (
    Command("", "boot a real guest, run the paper's steps under each condition, and leave results/<run>/", (
        *CHOICE, "replicates", "seed", "resume", "dry_run", "keep_guest", "jobs", "scheduler", "tls", "let_anyone_in",
        "workers", "cache_limit",
    )),
    Command("list", "the runs there are: date, suite, cells that count, verdict", ("results",)),
    Command("report", "write a run's tables, figures and report again, without a guest", ("results", "open"),
            (THE_RUN,)),
    Command("findings", "what a run says of the paper's proposal, in sentences (Markdown)", ("results",), (THE_RUN,)),
    Command("compare", "two runs side by side, with a verdict", ("results", "fail_on", "summary"), (
        Argument("run_a", "RUN_A", f"{RUN}; RUN:CONDITION for one condition of it"),
        Argument("run_b", "RUN_B", "likewise"),
    )),
    Command("notebook", "execute analysis/review.ipynb on a run and keep the copy there", ("results",), (THE_RUN,)),
    Command("pack", "a copy of a run with its raw streams compressed, to commit or to send", ("results",), (
        Argument("run", "RUN", RUN), Argument("name", "NAME", "of the copy, below results/"),
    )),
    Command("console", "what a cell's guest wrote to its console, failed attempts too", ("results",), (
        Argument("run", "RUN", RUN), Argument("cell", "CELL", "such as 03-working-set"),
    )),
    Command("shell", "a root shell in a guest of your own, gone afterwards",
            ("config", "results", "cache", "accel", "run"),
            (Argument("what", "CELL|SNAPSHOT", "a warm snapshot (lxc; plain), or a run's cell, under its condition",
                      "lxc"),)),
    Command("prepare", "build image and warm snapshots of the conditions chosen; run none", CHOICE),
    Command("doctor", "what this host has, lacks, and how to get it", ("config", "cache")),
    Command("clean", "end and remove what killed runs left behind; results stay", ("cache", "images", "dry_run")),
    Command("bench", "measure what the harness or the prefetcher costs (boots guests)",
            ("config", "results", "cache", "accel", "quick", "suite", "conditions", "like", "pairs", "cells", "out"),
            (Argument("of", "WHAT", "the harness (6 cells), prefetchd at rest and beside a neighbour (20 min), or how "
                      "time, disk and report grow with the number of cells (no guest)", "harness",
                      one_of("harness", "prefetcher", "growth")),)),
    Command("certificate", "a key and a certificate for --tls, which is all that lets one in", ("days",),
            (Argument("folder", "FOLDER", "to make; copied to every host of a run", type=given_path),), "cluster"),
    Command("scheduler", "where runs and workers find each other (docs/cluster.md)", ("cache", "tls", "let_anyone_in"),
            (Argument("address", "ADDRESS", "of this host, to listen at: tls://HOST:8786"),), "cluster"),
    Command("worker", "run cells for the runs of other hosts (docs/cluster.md)",
            ("cache", "cache_limit", "tls", "let_anyone_in", "guests", "host", "port"),
            (Argument("address", "ADDRESS", "of the scheduler: tls://HOST:8786"),), "cluster"),
)  # fmt: skip
BY_COMMAND = {command.name: command for command in COMMANDS}

FIRST = """\
usage: python run.py [COMMAND] [OPTIONS]

Most people need these five:
  python run.py                  the paper's figure, and what prefetching takes away
  python run.py --quick          the same in 2 minutes: two conditions, once each
  python run.py list             the runs that there are
  python run.py report --open    tables, figures and report of the latest, in a browser
  python run.py --resume latest  go on after Ctrl-C, a power cut, or a failed cell

Options stand before or after COMMAND; COMMAND --help has those that it takes.
"""
EXAMPLES = """\
examples:
  python run.py --suite prefetcher              is the prefetcher as good as it has to be? 56 cells
  python run.py --suite controls,peers          against its controls, and what one would try instead
  python run.py --conditions baseline,siblings --replicates 8
  python run.py --dry-run                       the plan, its time and its disk
  python run.py compare reference latest        two runs side by side
  python run.py shell                           a root shell in a fork of the warm snapshot
  python run.py console latest 03-working-set   what that cell's guest wrote to its console
  python run.py clean --images                  make room: leftovers, images and warm snapshots
"""


class Parser(argparse.ArgumentParser):
    """Of one command. Its complaints are errors of ours."""

    def error(self, message: str) -> NoReturn:
        said = message.removeprefix("argument ").replace("unrecognized arguments:", "too many words:")
        said = re.sub(r"ignored explicit argument .*", "it takes no value", said)[:200]
        raise UsageError(said, f"python {self.prog} --help")

    def format_help(self) -> str:
        return super().format_help() if self.prog != PROGRAM else overview(super().format_help())


def overview(options: str) -> str:
    """The help of run.py by itself; ``options``: as argparse shows them."""
    width = max(len(command.name) for command in COMMANDS)
    listed = "".join(f"  {command.name:{width}}  {command.help}\n" for command in COMMANDS if command.name)
    codes = "".join(f"  {code:3}  {meaning}\n" for code, meaning in EXIT_CODES)
    mine = options[options.index("options:") :]
    return f"{FIRST}\ncommands:\n{listed}\n{mine}\n{EXAMPLES}\nexit codes:\n{codes}"


def parser(command: Command) -> Parser:
    made = Parser(
        prog=f"{PROGRAM} {command.name}".strip(),
        description=command.help,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for argument in command.arguments:
        made.add_argument(
            argument.name, metavar=argument.metavar, help=argument.help, type=argument.type,
            nargs="?" if argument.default is not None else None, default=argument.default,
        )  # fmt: skip
    made.set_defaults(module=command.module)
    for one in options_of(command):
        made.add_argument(*one.flags, help=one.help, default=one.default, **one.keywords)
    return made


def options_of(command: Command) -> list[Option]:
    return [BY_NAME[name] for name in (*command.uses, "verbose")]


def read(words: Sequence[str]) -> argparse.Namespace:
    """What the words say: ``command`` ("" without one), its arguments, and all options, those of others as default.

    Raises UsageError for a word that is none of ours, or that the command does not use, with the nearest that it does;
    SystemExit after help was shown.
    """
    command, rest = split(words)
    said = parser(command).parse_args(rest)
    defaults = {one.name: one.default for one in OPTIONS}
    return argparse.Namespace(**{**defaults, **vars(said), "command": command.name})


def split(words: Sequence[str]) -> tuple[Command, list[str]]:
    """The command, which options may stand ahead of, and all other words. Raises UsageError."""
    rest: list[str] = []
    flags: list[str] = []
    name = ""
    pending = list(words)
    while pending:
        word = pending.pop(0)
        flag, equals, _ = word.partition("=")
        if word.startswith("-") and len(word) > 1:
            flags.append(flag)
            rest.append(word)
            if takes_value(flag) and not equals and pending:
                rest.append(pending.pop(0))
        elif name:
            rest.append(word)
        elif word in BY_COMMAND and word:
            name = word
        elif word == "help":
            rest.append("--help")
        elif not set(flags) - FLAGS.keys():  # else the word may be the value of the one that is wrong
            raise UsageError(
                f"there is no command {word[:40]!r}{nearest(word, filter(None, BY_COMMAND))}", help_of(COMMANDS[0])
            )
    command = BY_COMMAND[name]
    used = {flag for one in options_of(command) for flag in one.flags} | {"-h", "--help"}
    for flag in flags:
        if flag not in FLAGS:
            raise UsageError(f"there is no option {flag[:40]!r}{nearest(flag, sorted(used))}", help_of(command))
        if flag not in used:
            raise UsageError(f"{flag} is nothing that {title(command)} uses; {users(flag)}", help_of(command))
    return command, rest


FLAGS = {flag: one for one in OPTIONS for flag in one.flags} | {"-h": None, "--help": None}


def takes_value(flag: str) -> bool:
    one = FLAGS.get(flag)
    return one is not None and one.keywords.get("action") != "store_true"


def users(flag: str) -> str:
    names = [title(command) for command in COMMANDS if any(flag in one.flags for one in options_of(command))]
    return f"it is of {', '.join(names)}"


def title(command: Command) -> str:
    return command.name or "a run"


def help_of(command: Command) -> str:
    return " ".join(filter(None, ("python", PROGRAM, command.name, "--help")))
