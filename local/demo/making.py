"""Make the planned objects as real files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from local.demo.model import Item
from local.demo.plan import Planned, content


def make(folder: Path, planned: Iterable[Planned]) -> list[Item]:
    """Write those objects that can be files below `folder`, with one folder for each route."""
    return [_make(folder, planned_object) for planned_object in planned]


def _make(folder: Path, planned: Planned) -> Item:
    path = folder / planned.route.name.lower() / as_path(planned.name) if planned.file else None
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(planned))
    body = path or content(planned)
    return Item(planned.name, planned.route, body, planned.size, planned.properties, planned.upload)


def as_path(name: str) -> str:
    """Return the path whose bytes are the name in UTF-8, whatever this machine's own encoding is."""
    return os.fsdecode(name.encode())
