"""Package the product for deployment. AWS and the local cloud get the same two files.

`chalice package` does the work on a snapshot of the sources. So edits during packaging don't get in, and neither does a
stale `.chalice/deployments` (Chalice caches by contents, not by names). Afterwards the zip is made smaller, faster to
import and reproducible: see `add_finished`. The result is kept under a digest of everything it was made from.
"""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import importlib.metadata
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
STAGE = "prod"

_SOURCES = ("app.py", "requirements.txt", "template.yaml", ".chalice/config.json")
_SERVICES = frozenset({"s3", "dynamodb", "sqs", "events", "sts", "xray", "kms"})
"""The AWS services whose botocore models are packaged. The models of the other 400 would be 15 of the zip's 25 MB, and
every cold start would unpack them. A client of an unlisted service fails at once, in the local cloud too."""
_BARE_APP = """
from chalice import Chalice
app = Chalice(app_name="bare")
app.lambda_function()(lambda event, context: None)
"""
"""The smallest app for which Chalice packages requirements."""
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class PackageError(RuntimeError):
    """Packaging failed. The message says what to do."""


@dataclass(frozen=True)
class Package:
    """A deployable package."""

    template: Path
    """The SAM template, in plain YAML without aliases. Its CodeUri is the zip beside it."""
    zip: Path
    digest: str
    """Digest of everything that the package was made from."""
    cached: bool
    """True if the package existed already."""


def build(project: Path = REPOSITORY, out: Path | None = None) -> Package:
    """Return the package of the sources in `project`. Make it if `out` holds none of exactly these sources."""
    out = out or project / "out" / "package"
    sources = _sources(project)
    digest = _digest(project, sources)
    with _locked(out):
        stamp = out / "digest"
        cached = stamp.is_file() and stamp.read_text() == digest
        if not cached:
            stamp.unlink(missing_ok=True)
            _build(project, sources, out)
            stamp.write_text(digest)
    return Package(template=out / "sam.yaml", zip=out / "deployment.zip", digest=digest, cached=cached)


def _sources(project: Path) -> list[str]:
    missing = [name for name in _SOURCES if not (project / name).is_file()]
    if missing:
        raise PackageError(f"{', '.join(missing)} not found in {project}: package from a complete checkout")
    policies = [path.relative_to(project).as_posix() for path in project.glob(".chalice/policy-*.json")]
    modules = [path.relative_to(project).as_posix() for path in project.glob("chalicelib/**/*.py")]
    return sorted([*_SOURCES, *policies, *modules])


def _digest(project: Path, sources: list[str]) -> str:
    """Return the digest of the sources and of the tools that package them."""
    digest = hashlib.sha256(_tools())
    for name in sources:
        content = (project / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _tools() -> bytes:
    """Return everything else that determines the package: the Python version whose wheels are taken, Chalice's version,
    and this file."""
    versions = f"{sys.version}\0{importlib.metadata.version('chalice')}\0".encode()
    return versions + Path(__file__).read_bytes()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Allow one packager at a time: `make demo` beside `make test` must not see half a package."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(project: Path, sources: list[str], folder: Path) -> None:
    dependencies = _dependencies(project, folder)
    with _scratch(folder) as scratch:
        snapshot, packaged = scratch / "project", scratch / "made"
        for name in sources:
            (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project / name, snapshot / name)
        (snapshot / "requirements.txt").write_text("")  # the dependencies are in another zip
        _chalice_package(snapshot, packaged, ["--merge-template", str(snapshot / "template.yaml")])
        complete = scratch / "deployment.zip"
        shutil.copyfile(dependencies, complete)
        add_finished(packaged / "deployment.zip", scratch / "tree", complete)
        _finish_template(packaged / "sam.yaml", folder / "sam.yaml")
        complete.replace(folder / "deployment.zip")


def _dependencies(project: Path, folder: Path) -> Path:
    """Return a finished zip of the packages in requirements.txt, as Chalice vendors them. It is kept until the
    requirements change, so that an edit of the product itself is packaged in seconds."""
    requirements = (project / "requirements.txt").read_bytes()
    digest = hashlib.sha256(_tools() + requirements).hexdigest()[:16]
    cached = folder / f"dependencies-{digest}.zip"
    if cached.is_file():
        return cached
    with _scratch(folder) as scratch:
        bare, packaged = scratch / "project", scratch / "made"
        (bare / ".chalice").mkdir(parents=True)
        (bare / ".chalice" / "config.json").write_text('{"version": "2.0", "app_name": "bare", "stages": {"prod": {}}}')
        (bare / "app.py").write_text(_BARE_APP)
        (bare / "requirements.txt").write_bytes(requirements)
        _chalice_package(bare, packaged, [])
        finished = scratch / "finished.zip"
        add_finished(packaged / "deployment.zip", scratch / "tree", finished, without=("app.py", "chalice/"))
        for outdated in folder.glob("dependencies-*.zip"):
            outdated.unlink()
        finished.replace(cached)
    return cached


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="build-", dir=parent) as folder:
        yield Path(folder)


def _chalice_package(project: Path, out: Path, options: list[str]) -> None:
    # Chalice asks botocore for a Region although packaging needs none, and the template names none. The developer's own
    # AWS_PROFILE, which may not even exist, must not matter.
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env["AWS_DEFAULT_REGION"] = "us-gov-west-1"
    command = [
        *(sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())"),
        *("--project-dir", str(project), "package", "--stage", STAGE, "--template-format", "yaml"),
        *(*options, str(out)),
    ]
    completed = subprocess.run(command, env=env, cwd=project, capture_output=True, text=True, check=False)
    if completed.returncode != 0 or not (out / "deployment.zip").is_file():
        raise PackageError(f"chalice package failed:\n{completed.stdout}{completed.stderr}")


def _finish_template(packaged: Path, template: Path) -> None:
    """Write the template as plain YAML. Chalice writes aliases, which not every reader of templates understands."""

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, _data: object) -> bool:
            return True

    template.write_text(yaml.dump(yaml.safe_load(packaged.read_text()), Dumper=Plain, width=120))


def add_finished(packaged: Path, tree: Path, target: Path, without: tuple[str, ...] = ()) -> None:
    """Add the contents of the zip `packaged` to the zip `target`, with bytecode, in a fixed order and with fixed times.
    Service models that aren't needed, and names that begin with one of `without`, are left out.

    Lambda's code folder is read-only: without bytecode in the zip every cold start compiles every module again, which
    doubles the time of importing. The bytecode is marked as unchecked, since unzipping changes the files' times.
    """
    with zipfile.ZipFile(packaged) as archive:
        names = [name for name in archive.namelist() if _needed(name) and not name.startswith(without)]
        archive.extractall(tree, members=names)
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compiled = compileall.compile_dir(
        tree, force=True, quiet=2, stripdir=str(tree), workers=0, invalidation_mode=unchecked
    )
    if not compiled:
        raise PackageError(f"a module of the package does not compile; try `{sys.executable} -m compileall` on it")
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in tree.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _ZIP_TIME)
            entry.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def _needed(name: str) -> bool:
    parts = name.split("/")
    is_service_model = parts[:2] == ["botocore", "data"] and len(parts) > 3
    return not is_service_model or parts[2] in _SERVICES
