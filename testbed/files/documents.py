"""JSON and TOML that somebody else may have written: bounded, strict, and every fault is one sentence."""

import bisect
import io
import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any, NoReturn

from testbed.errors import UsageError, printable
from testbed.files.plain import open_plain

MOST_BYTES = 16 * 1024 * 1024  # a plan of 100,000 cells has this size
MOST_TOML = 512 * 1024  # a configuration has 28 KB
STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'")  # of TOML, on one line
RESTORE = "restore the file, or make the run again"
MOST_NESTED = 50  # objects and lists in each other; a manifest has 4


class Fault(ValueError):  # noqa: N818 - what is wrong, said as people say it
    """The document is not one. The message begins with the line where that is known: "line 3: ..."."""


def read_bounded(path: Path, most: int = MOST_BYTES) -> bytes:
    """A regular file's content. Raises OSError, and Fault if it is larger than ``most`` bytes."""
    with open_plain(path) as file:
        return bounded(file, most)


def bounded(file: io.BufferedIOBase | Any, most: int) -> bytes:
    """All that is left of an open file, which may be unpacked while it is read. Raises Fault beyond ``most`` bytes."""
    content: bytes = file.read(most + 1)
    if len(content) > most:
        raise Fault(f"larger than {most} bytes")
    return content


def read_json(path: Path) -> Any:
    """The value in a run's document. Raises UsageError naming file and line."""
    try:
        return parse_json(read_bounded(path))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", RESTORE) from error
    except Fault as fault:
        raise UsageError(f"{path}: {fault}", RESTORE) from fault


def parse_json(content: bytes) -> Any:
    """The value in a document of JSON (RFC 8259: no NaN, no Infinity); what a terminal would obey is taken out of it.

    Raises Fault, also for numbers and nesting that no document of ours has.
    """
    try:
        return cleaned(json.loads(decoded(content), parse_constant=_no_number))
    except json.JSONDecodeError as error:
        raise Fault(f"line {error.lineno}: not JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise Fault("not JSON: nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits, among others
        raise error if isinstance(error, Fault) else Fault(f"not JSON: {first_line(error)}") from None


def parse_toml(content: bytes) -> dict[str, Any]:
    """The tables of a document of TOML. Raises Fault, with the line where TOML's reader knows it."""
    text = decoded(content).replace("\r\n", "\n")
    # tomllib takes memory by the square of a dotted key's length.
    if any(STRING.sub("", line).count(".") > MOST_NESTED for line in text.split("\n") if line.count(".") > MOST_NESTED):
        raise Fault("not TOML: nested too deeply")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Fault(toml_fault(text, str(error))) from None
    except RecursionError:
        raise Fault("not TOML: nested too deeply") from None
    except ValueError as error:
        raise error if isinstance(error, Fault) else Fault(f"not TOML: {first_line(error)}") from None
    require_shallow(values)
    return values


TWICE = ("Cannot overwrite a value", "Cannot declare")  # tomllib's words for a key, or a table, that is there already


def toml_fault(text: str, said: str) -> str:
    """What tomllib said of a document, with the line in front. Of a key given twice it does not know the line."""
    message, _, place = printable(said).partition(" (at ")
    found = re.match(r"line (\d+), column (\d+)", place)
    if found and not message.startswith(TWICE):
        return f"line {found[1]}: not TOML: {message} (column {found[2]})"
    lines = text.splitlines()
    if not message.startswith(TWICE):
        return f"line {len(lines)}: not TOML: {message} (at end of document)"
    line = 1 + bisect.bisect_left(range(1, len(lines) + 1), True, key=lambda count: given_twice(lines[:count]))
    return f"line {line}: not TOML: a key is given twice: {printable(lines[line - 1].strip())[:80]}"


def given_twice(lines: list[str]) -> bool:
    try:
        tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError as error:
        return str(error).startswith(TWICE)
    return False


def decoded(content: bytes) -> str:
    """Text of UTF-8. Raises Fault that says what it is instead."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Fault("it is UTF-16; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Fault(f"line {line}: it is not UTF-8; save it as UTF-8") from None
    before, nul, _ = text.partition("\0")
    if nul:
        raise Fault(f"line {before.count(chr(10)) + 1}: it holds a NUL byte, so it is no text")
    return text


def cleaned(value: Any, depth: int = 0) -> Any:
    """The same with strings that are printable, and floats that are numbers. Raises Fault."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): cleaned(item, inside(depth)) for key, item in value.items()}
    if isinstance(value, list):
        return [cleaned(item, inside(depth)) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise Fault("a number is larger than any number of ours")
    return value


def require_shallow(value: Any, depth: int = 0) -> None:
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        require_shallow(item, inside(depth))


def inside(depth: int) -> int:
    if depth >= MOST_NESTED:
        raise Fault("nested too deeply")
    return depth + 1


def first_line(error: Exception) -> str:
    return printable(str(error)).partition("\n")[0].partition(";")[0]


def _no_number(word: str) -> NoReturn:
    raise Fault(f"not JSON: {word} is no number")
