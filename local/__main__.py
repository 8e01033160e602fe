"""Run the local cloud's command line: `python -m local up | down | region | drill | ...`. The Makefile calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from chalicelib.core.policy import Policy
from local import package as packaging
from local import supervisor
from local.cloud import CloudError
from local.deploy import DeployError
from local.examples import examples
from local.gateway.client import ControlError
from local.issuer import Issuer
from local.package import REPOSITORY, PackageError
from local.processes import ProcessError
from local.regions import NAMES, RegionError, Regions
from local.run import DEFAULT_NAME, Run, RunError, running
from local.wait import WaitError

_EXPECTED = (
    CloudError,
    ControlError,
    DeployError,
    PackageError,
    ProcessError,
    RegionError,
    RunError,
    WaitError,
    supervisor.SupervisorError,
)
_name = click.option("--name", default=DEFAULT_NAME, show_default=True, help="The run's name: one cloud for each.")


class _Commands(click.Group):
    """A group of commands that shows expected errors as a message, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except _EXPECTED as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands)
def main() -> None:
    """Run both Regions on this machine."""


@main.command()
@_name
def up(name: str) -> None:
    """Bring both Regions up in the background and print how to use them."""
    run = Run(name)
    if run.holder() is None:
        click.echo(f"Bringing both Regions up ({run.folder.relative_to(REPOSITORY)}):")
        supervisor.start(name, click.echo)
    else:
        click.echo(f"The local cloud {name!r} is up already.")
    settings = json.loads(run.settings_file.read_text())
    click.echo(examples(settings, run))


@main.command()
@_name
@click.option("--all", "everything", is_flag=True, help="Every run of this checkout.")
def down(name: str, everything: bool) -> None:
    """Take the cloud down; none of its processes is left running."""
    for run_name in running() if everything else [name]:
        stopped = supervisor.stop(Run(run_name))
        click.echo(f"The local cloud {run_name!r} {'is down' if stopped else 'was not up'}.")


@main.command(hidden=True)
@_name
def serve(name: str) -> None:
    """Run a cloud until told to stop (`up` starts this in the background)."""
    supervisor.serve(name)


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Folder; default out/package.")
def package(out: Path | None) -> None:
    """Make the zip and the template for AWS."""
    built = packaging.build(out=out)
    size_mb = built.zip.stat().st_size / 1_000_000
    click.echo(f"{built.template} and {built.zip.name} ({size_mb:.1f} MB){', unchanged' if built.cached else ''}")


@main.command("region")
@_name
@click.argument(
    "action", type=click.Choice(["kill", "hang", "restore", "freeze", "thaw", "isolate", "rejoin", "status"])
)
@click.argument("region", type=click.Choice(sorted(NAMES)))
@click.option("--storage", is_flag=True, help="kill: its buckets die, too.")
def act_on_region(name: str, action: str, region: str, storage: bool) -> None:
    """Kill, hang, freeze or isolate a Region of a cloud that is up, and bring it back."""
    regions = Regions.of_run(Run(name))
    if action == "status":
        click.echo(json.dumps(regions.status(region), indent=2))
    elif action == "kill":
        click.echo(str(regions.kill(region, storage=storage)))
    else:
        click.echo(str(getattr(regions, action)(region)))


@main.command()
@_name
@click.option("--tenant", default="demo", show_default=True)
@click.option("--scope", default="read write administer operate", show_default=True)
def token(name: str, tenant: str, scope: str) -> None:
    """Mint a bearer token for a cloud that is up."""
    click.echo(_issuer(name).token(tenant=tenant, scope=scope))


@main.command()
@_name
def rotate(name: str) -> None:
    """Give the issuer of a cloud that is up a new signing key."""
    issuer = _issuer(name).rotate()
    click.echo(f"{issuer.kid} signs from now on; published are {' and '.join(issuer.keys)}.")
    minutes = Policy().keys_refresh_ms // 60_000
    click.echo(f"Each Region's sweep asks for them every {minutes} minutes; until then new tokens are refused.")


def _issuer(name: str) -> Issuer:
    run = Run(name)
    if run.holder() is None:
        raise RunError(f"the local cloud {name!r} is not up: `make up` first")
    return Issuer.load(run.issuer_file)


@main.command()
@click.option(
    "--case",
    default="all",
    show_default=True,
    help="a, b, c, feed, hang, slow, inbox, return, split-brain, storage or all.",
)
@click.option("--scale", default=20.0, show_default=True, help="Times are divided by this; 1 runs the real defaults.")
@click.option("--seed", type=int, default=None, help="Moments are drawn from it; without it, another one each time.")
@click.option("--times", default=1, show_default=True, help="So many drills, each of one case, drawn.")
def drill(case: str, scale: float, seed: int | None, times: int) -> None:
    """Kill a Region while it works and check every promise; the result is in out/drill.html."""
    from local.drill import command

    command.run(case, scale, seed, times)


if __name__ == "__main__":
    main(prog_name="python -m local")
