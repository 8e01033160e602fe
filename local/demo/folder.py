"""Take the demo's objects from the user's own folder."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator
from pathlib import Path

from local.demo.model import MIB, NAME_MAX_BYTES, DemoError, Item, Properties, Route, Upload
from local.demo.plan import FEED_SHARE
from local.demo.screen import size

_PART_BYTES = 8 * MIB
_PARTS_MAX = 10_000
_SHOWN = 10
_NAME_SHOWN = 60
_MEMORY_FACTOR = 4
"""Measured: 3.3 bytes of the emulator's memory for each byte of large objects."""


def take(folder: Path) -> list[Item]:
    """Return every file below `folder`. Raises DemoError if there is none, or if any can't be taken; the message names
    those. It is better to start nothing than to report a delivery that lacks some files."""
    if not folder.exists():
        raise DemoError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise DemoError(f"{folder} is no folder: give the folder that holds it")
    problems: list[str] = []
    paths = sorted(_walk(folder, problems))
    items = [
        _item(folder, path, Route.FEED if number % FEED_SHARE == FEED_SHARE - 1 else Route.JOB)
        for number, path in enumerate(paths)
        if _can_be_taken(folder, path, problems)
    ]
    if problems:
        raise DemoError(_listed(folder, problems))
    if not items:
        raise DemoError(f"there is no file below {folder}")
    check_memory(sum(item.size for item in items), _available_memory())
    return items


def check_memory(volume: int, available: int) -> None:
    """Raise DemoError if the emulator, which keeps objects in memory, would not have enough memory. Both numbers are
    bytes."""
    needed = _MEMORY_FACTOR * volume
    if needed > available:
        raise DemoError(
            f"{size(volume)} are too much here: the emulator keeps objects in memory, and would need about"
            f" {size(needed)} of the {size(available)} that are free. Give a smaller folder."
        )


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    raise DemoError("/proc/meminfo does not say how much memory is available")


def _walk(folder: Path, problems: list[str]) -> Iterator[Path]:
    """Yield the files below `folder`. Symbolic links are followed, except to a folder that contains the link: that
    would never end."""

    def complain(error: OSError) -> None:
        problems.append(f"{error.filename}: {error.strerror}")

    inside: dict[Path, tuple[tuple[int, int], ...]] = {folder: (_identity(folder),)}
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=complain):
        ancestors = inside.pop(Path(parent))
        for name in sorted(folders):
            path = Path(parent, name)
            identity = _identity(path)
            if identity in ancestors:
                folders.remove(name)
            else:
                inside[path] = (*ancestors, identity)
        yield from (Path(parent, name) for name in files)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _can_be_taken(folder: Path, path: Path, problems: list[str]) -> bool:
    problem = _problem(path.relative_to(folder), path)
    if problem:
        problems.append(f"{_printable(path)}: {problem}")
    return problem is None


def _problem(relative: Path, path: Path) -> str | None:
    if path.is_symlink() and not path.exists():
        return f"a symbolic link to nothing ({_printable(path.readlink())})"
    if not path.is_file():
        return "neither a file nor a folder"
    if not os.access(path, os.R_OK):
        return "may not be read"
    try:
        length = len(os.fsencode(relative).decode("utf-8").encode())
    except UnicodeDecodeError:
        return "its name is not UTF-8, as the keys of S3 have to be"
    if length > NAME_MAX_BYTES:
        return f"its name has {length} bytes; with the demo's prefix a key of S3 has room for {NAME_MAX_BYTES}"
    return None


def _item(folder: Path, path: Path, route: Route) -> Item:
    status = path.stat()
    content_type, encoding = mimetypes.guess_type(path.name, strict=False)
    properties = Properties(
        content_type=content_type or "application/octet-stream",
        content_encoding=encoding,
        metadata={"mtime": f"{status.st_mtime:.6f}"},
    )
    name = os.fsencode(path.relative_to(folder)).decode("utf-8")
    return Item(name, route, path, status.st_size, properties, _upload(status.st_size))


def _upload(size: int) -> Upload:
    """Return the upload method of the AWS command line for this size."""
    if size <= _PART_BYTES:
        return Upload(checksum="CRC64NVME")
    return Upload(max(_PART_BYTES, -(-size // _PARTS_MAX)), "CRC64NVME")


def _printable(path: Path) -> str:
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return text if len(text) <= 2 * _NAME_SHOWN else f"{text[:_NAME_SHOWN]}...{text[-_NAME_SHOWN:]}"


def _listed(folder: Path, problems: list[str]) -> str:
    lines = [f"  {problem}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"  and {len(problems) - _SHOWN} more")
    return "\n".join([f"not everything below {folder} can be taken:", *lines])
