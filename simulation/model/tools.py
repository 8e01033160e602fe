"""Find Spin and a C compiler, or install them from Debian."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

_WAIT = ("--option", "DPkg::Lock::Timeout=120")
"""Seconds to wait for another process that is installing something."""


class ToolError(Exception):
    """A tool that the models need is missing and can't be installed. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The relevant features of this machine."""

    spin: bool
    gcc: bool
    apt: bool
    root: bool


def packages_to_install(machine: Machine) -> tuple[str, ...]:
    """Return the Debian packages that are missing. Raises ToolError if they can't be installed from here."""
    missing = (() if machine.spin else ("spin",)) + (() if machine.gcc else ("gcc", "libc6-dev"))
    if not missing:
        return ()
    names = " ".join(missing)
    if not machine.apt:
        raise ToolError(f"the models need {names}, and there is no apt-get to install them with: install them by hand")
    if not machine.root:
        raise ToolError(f"the models need {names}: sudo apt-get install --no-install-recommends {names}")
    return missing


def this_machine() -> Machine:
    return Machine(
        spin=shutil.which("spin") is not None,
        gcc=shutil.which("gcc") is not None,
        apt=shutil.which("apt-get") is not None,
        root=os.geteuid() == 0,
    )


def provide(say: Callable[[str], None]) -> None:
    """Install the packages that are missing. Raises ToolError."""
    missing = packages_to_install(this_machine())
    if not missing:
        return
    say(f"Installing {' '.join(missing)} from Debian")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "--quiet", "update"],
        ["apt-get", "--quiet", "--yes", *_WAIT, "install", "--no-install-recommends", *missing],
    ):
        completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if completed.returncode != 0:
            raise ToolError(f"{' '.join(command)} failed:\n{(completed.stderr or completed.stdout).strip()}")


def spin_version() -> str:
    output = subprocess.run(["spin", "-V"], capture_output=True, text=True, check=True).stdout
    return output.removeprefix("Spin Version").split("--")[0].strip()
