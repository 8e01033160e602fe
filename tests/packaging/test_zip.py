"""The zip holds what the functions need, ready to import, and nothing else."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from local import package

CHALICE_OWN = {"chalice"}
"""Chalice adds its runtime to every zip itself."""


@pytest.fixture(scope="session")
def unpacked(packaged: package.Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zip")
    with zipfile.ZipFile(packaged.zip) as archive:
        archive.extractall(folder)
    return folder


def test_top_level_is_the_app_and_what_the_requirements_vendor(unpacked: Path) -> None:
    vendored = set[str]()
    for info in unpacked.glob("*.dist-info"):
        files = PathDistribution(info).files or []
        vendored |= {file.parts[0] for file in files if file.parts[0] != ".."} | {info.name}
    unowned = {path.name for path in unpacked.iterdir() if not path.name.endswith(".data")} - vendored
    assert unowned - {"__pycache__"} == {"app.py", "chalicelib"} | CHALICE_OWN


def test_every_requirement_is_vendored_at_its_pin(unpacked: Path) -> None:
    locked = (package.REPOSITORY / "requirements.txt").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", locked, re.MULTILINE))
    assert pins
    distributions = [PathDistribution(info).metadata for info in unpacked.glob("*.dist-info")]
    assert {_normal(entry["Name"]): entry["Version"] for entry in distributions} == {
        _normal(k): v for k, v in pins.items()
    }


def test_nothing_of_the_workshop_is_in_it(packaged: package.Package) -> None:
    with zipfile.ZipFile(packaged.zip) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops.isdisjoint({"local", "simulation", "tests", "benchmarks", "tools", "docs", "out", ".chalice", ".git"})


def test_every_module_has_its_bytecode(unpacked: Path) -> None:
    """A cold start compiles nothing. The bytecode is unchecked, since unzipping changes the times that checked bytecode
    depends on."""
    for source in [unpacked / "app.py", *(unpacked / "chalicelib").rglob("*.py"), *(unpacked / "boto3").rglob("*.py")]:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc"
        assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00", source


def test_it_imports_by_itself(unpacked: Path) -> None:
    """No other package is in reach (-I -S), as in Lambda. The emulator's Python has more packages, and would hide a
    gap."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import app; import chalicelib.runtime; import boto3\n"
        "for name in ('s3', 'dynamodb', 'sqs', 'events'):\n"
        "    boto3.client(name, region_name='us-gov-west-1', aws_access_key_id='a', aws_secret_access_key='b')\n"
    )
    command = [sys.executable, "-I", "-S", "-B", "-c", code, str(unpacked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_time_zones_come_with_it(unpacked: Path) -> None:
    """Both Regions use the same rules, whatever the machines below them know."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from chalicelib.core.cron import Cron\n"
        "print(next(Cron.of('0 2 * * *', 'America/New_York').upcoming(1_800_000_000_000)))\n"
    )
    command = [sys.executable, "-I", "-S", "-B", "-c", code, str(unpacked)]
    done = subprocess.run(command, env={"PYTHONTZPATH": ""}, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "1800082800000", done.stderr


def test_unpacked_size_leaves_room(unpacked: Path) -> None:
    size_mb = sum(path.stat().st_size for path in unpacked.rglob("*") if path.is_file()) / 1_000_000
    assert size_mb < 80, "Lambda's limit is 250, but every cold start pays for each"


def test_the_same_sources_give_the_same_zip(tmp_path: Path) -> None:
    archive_file = tmp_path / "made.zip"
    with zipfile.ZipFile(archive_file, "w") as archive:
        archive.writestr("app.py", "x = {name: 1 for name in ('a', 'b')}\n")
        archive.writestr("botocore/data/ec2/2016/service.json", "{}")
        archive.writestr("botocore/data/s3/2006/service.json", "{}")
        archive.writestr("botocore/data/endpoints.json", "{}")
    for name in ("one", "two"):
        package.add_finished(archive_file, tmp_path / f"tree-{name}", tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with zipfile.ZipFile(tmp_path / "one") as archive:
        assert archive.namelist() == [
            "__pycache__/app.cpython-311.pyc",
            "app.py",
            "botocore/data/endpoints.json",
            "botocore/data/s3/2006/service.json",
        ]


def test_an_unchanged_package_is_not_made_again(packaged: package.Package) -> None:
    again = package.build()
    assert again.cached or again.digest != packaged.digest, "somebody edited the sources meanwhile"


def test_an_incomplete_checkout_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(package.PackageError, match=r"app\.py.*complete checkout"):
        package.build(project=tmp_path)


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
