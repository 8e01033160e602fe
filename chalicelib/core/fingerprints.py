"""Converts what a Region notes of a subject to the text of an observation, and back.

Each kind of note is a frozen dataclass of its own. Only this module assembles the texts and takes them apart. They are
JSON, so that people can read them in the table.
"""

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter

N = TypeVar("N")


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Return the adapter of a type. Making one takes milliseconds, so each is made once."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def fingerprint(note: object) -> str:
    """Return the text of a note, which is a dataclass. Equal notes give equal texts."""
    fields = _adapter(type(note)).dump_python(note, mode="json", exclude_defaults=True)
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def parse(text: str, kind: type[N]) -> N | None:
    """Return the note of which `fingerprint` made this text. None if it is no note of that kind: another release may
    have written it, and a note that is missing only costs time."""
    try:
        note: N = _adapter(kind).validate_json(text)
    except ValueError:
        return None
    return note
