"""Run the demo: `python -m local.demo [--input FOLDER]`. It exits with 0 if everything arrived as it was sent, 1 if
not."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import botocore.exceptions
import click
import httpx

from local.cloud import Cloud, CloudError
from local.demo import folder, making, report
from local.demo.api import Api
from local.demo.model import DemoError, Item
from local.demo.plan import plan
from local.demo.report import Report
from local.demo.screen import Screen, count, size
from local.demo.show import POLICY, Show
from local.demo.store import Store
from local.deploy import DeployError
from local.package import REPOSITORY, PackageError
from local.run import Run, RunError

OUT = REPOSITORY / "out" / "demo.json"
SMALL_OBJECTS = 2000
_FORESEEN = (
    DemoError,
    CloudError,
    DeployError,
    PackageError,
    RunError,
    httpx.HTTPError,
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.ClientError,
    OSError,
)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.option("--input", "source", type=click.Path(path_type=Path), help="Deliver this folder instead of made files.")
@click.option("--objects", default=SMALL_OBJECTS, show_default=True, help="How many small objects to make.")
def main(source: Path | None, objects: int) -> None:
    """Bring both Regions up, deliver files through them, and compare everything."""
    for number in _ENDING:
        signal.signal(number, _leave)
    started_s = time.monotonic()
    screen, result = Screen(), Report()
    OUT.unlink(missing_ok=True)
    screen.console.print("EFT: managed transfer from S3 to S3, both Regions on this machine", style="bold")
    try:
        with tempfile.TemporaryDirectory(prefix="eft-demo-") as scratch:
            items = _items(source, objects, Path(scratch), screen)
            _play(items, screen, result)
    except _FORESEEN as error:
        result.error = str(error) if isinstance(error, DemoError) else f"{type(error).__name__}: {error}"
    except SystemExit:
        result.error = "interrupted"
        screen.console.print("\nInterrupted; nothing is left running.", style="bold red")
        raise
    except BaseException as error:
        result.error = f"internal error: {error!r}"
        raise
    finally:
        seconds = time.monotonic() - started_s
        report.write(OUT, result, screen, seconds)
    report.show(result, screen, seconds, OUT.relative_to(REPOSITORY))
    sys.exit(0 if result.ok else 1)


def _items(source: Path | None, objects: int, scratch: Path, screen: Screen) -> list[Item]:
    if source is None:
        with screen.step("make files", "Make files"):
            items = making.make(scratch, plan(objects))
    else:
        with screen.step("look at the folder", f"Look at {source}"):
            items = folder.take(source.expanduser())
    largest = max(item.size for item in items)
    total = sum(item.size for item in items)
    screen.line(f"{count(len(items))} objects, {size(total)}, the largest {size(largest)}")
    return items


def _play(items: list[Item], screen: Screen, result: Report) -> None:
    with _cloud(screen) as cloud, Api(cloud.api_url, cloud.token()) as api:
        Show(cloud, screen, result, items, api, Store(cloud)).play()


@contextmanager
def _cloud(screen: Screen) -> Iterator[Cloud]:
    """Bring both Regions up, and take them down at the end in any case."""
    cloud = Cloud(_free_name(), policy=POLICY, on_phase=screen.phase)
    with screen.step("both Regions up", "Bring both Regions up"):
        cloud.start()
    try:
        yield cloud
    finally:
        _ignore_signals()
        with screen.step("both Regions down", "Take both Regions down"):
            cloud.stop()


def _free_name() -> str:
    """Return the name of a run that is not up. Each demo has a cloud of its own, so it can run beside another, or
    beside `make up`."""
    names = ("demo", *(f"demo-{number}" for number in range(2, 10)))
    return next((name for name in names if Run(name).holder() is None), names[-1])


def _leave(number: int, _frame: FrameType | None) -> None:
    _ignore_signals()
    raise SystemExit(128 + number)


def _ignore_signals() -> None:
    """Ignore ending signals, so that nothing interrupts the clean-up."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main(prog_name="make demo")
