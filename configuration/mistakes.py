"""What is wrong with a configuration, a sentence for each mistake, with its place and the nearest right word. Pure."""

import re
import reprlib
import types
from collections.abc import Iterator, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from testbed.errors import nearest

UNIONS = (Union, types.UnionType)


def unprintable(value: object, key: str = "") -> Iterator[str]:
    """The places of words that a terminal may obey: settings may be another person's."""
    if isinstance(value, str) and not value.isprintable():
        yield key
    elif isinstance(value, dict):
        for name, item in value.items():
            inner = f"{key}.{escaped(str(name))}" if key else escaped(str(name))
            yield from unprintable(str(name), inner)
            yield from unprintable(item, inner)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from unprintable(item, f"{key}.{number}")


def in_lines(mistakes: Sequence[ErrorDetails], model: type[BaseModel]) -> list[str]:
    """A line for each, but for the keys that one table lacks: they share one."""
    lacking: dict[str, list[str]] = {}
    for mistake in mistakes:
        if mistake["type"] == "missing":
            *table, key = (escaped(str(part)) for part in mistake["loc"])
            lacking.setdefault(".".join(table), []).append(key)
    lines = [f"{table + ': ' if table else ''}lacks {', '.join(keys)}" for table, keys in lacking.items()]
    return lines + [told(mistake, model) for mistake in mistakes if mistake["type"] != "missing"]


def told(mistake: ErrorDetails, model: type[BaseModel]) -> str:
    """A mistake with its key, and with the nearest word that is right where one was mistyped."""
    where = mistake["loc"]
    key = ".".join(escaped(str(part)) for part in where)
    text = escaped(mistake["msg"].removeprefix("Value error, "))
    given = "" if mistake["type"] == "value_error" else f" (given: {reprlib.repr(mistake['input'])})"
    if mistake["type"] == "extra_forbidden":
        text = f"there is no such key{nearest(str(where[-1]), keys_at(where[:-1], model))}"
    elif mistake["type"] == "literal_error":
        words = re.findall(r"'([^']*)'", mistake.get("ctx", {}).get("expected", ""))
        text += nearest(str(mistake["input"]), words, listed=False)
    return f"{key + ': ' if key else ''}{text}{given}"


def keys_at(where: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """The keys that a table of ``model`` may have; ``where``: its own place."""
    kind: Any = model
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


def escaped(text: str) -> str:
    return text if text.isprintable() else ascii(text)
