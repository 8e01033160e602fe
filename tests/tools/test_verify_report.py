"""Test the tool of readers that trust nobody: it finds any change in the receipts or in the report."""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.core.report import ReportFormat
from tests.steps import deleting
from tests.steps.reporting import KEYS, PIECES, ROOMY, fetched, settled
from tests.steps.world import World
from tools.verify_report import main


@dataclass(frozen=True)
class Files:
    receipts: bytes
    csv: bytes
    ndjson: bytes
    chain: str
    folder: Path

    def check(self, *, receipts: bytes | None = None, csv: bytes | None = None, ndjson: bytes | None = None) -> int:
        """Run the tool on these files and return its exit code. A file that is given replaces the good one."""
        bundle = self.folder / "receipts.ndjson"
        bundle.write_bytes(self.receipts if receipts is None else receipts)
        report = self.folder / ("report.csv" if ndjson is None else "report.ndjson")
        report.write_bytes(ndjson if ndjson is not None else self.csv if csv is None else csv)
        return main([str(bundle), "--chain", self.chain, "--report", str(report)])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    world = World(policy=PIECES, limits=ROOMY)
    spec = settled(world)
    return Files(
        receipts=fetched(world, spec, ReportFormat.RECEIPTS),
        csv=fetched(world, spec, ReportFormat.CSV),
        ndjson=fetched(world, spec, ReportFormat.NDJSON),
        chain=world.terminal(spec).chain_sha256,
        folder=tmp_path_factory.mktemp("verify"),
    )


def test_what_was_fetched_is_verified(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert files.check() == 0
    assert capsys.readouterr().out == "verified: chain, receipts and report agree: 14 objects in 4 partitions\n"
    assert files.check(ndjson=files.ndjson) == 0
    assert main([str(files.folder / "receipts.ndjson"), "--chain", files.chain]) == 0


def test_a_job_of_split_ranges_is_verified(files: Files, tmp_path: Path) -> None:
    world = World(policy=replace(PIECES, partition_rows=2, split_entries_per_run=1), limits=ROOMY)
    spec = settled(world)
    bundle = tmp_path / "receipts.ndjson"
    bundle.write_bytes(fetched(world, spec, ReportFormat.RECEIPTS))
    assert b'"r0' in bundle.read_bytes()
    assert main([str(bundle), "--chain", world.terminal(spec).chain_sha256]) == 0
    assert main([str(bundle), "--chain", files.chain]) == 1


def test_a_job_that_deletes_is_verified(tmp_path: Path) -> None:
    world = deleting.filled(World())
    spec = deleting.submit(world)
    world.settle()
    for report in (ReportFormat.RECEIPTS, ReportFormat.CSV):
        (tmp_path / f"{report}.csv").write_bytes(fetched(world, spec, report))
    files = [str(tmp_path / "receipts.csv"), "--report", str(tmp_path / "csv.csv")]
    assert b",DELETED," in (tmp_path / "csv.csv").read_bytes()
    assert main([*files, "--chain", world.terminal(spec).chain_sha256]) == 0


@given(st.data(), st.integers(1, 255))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_byte_anywhere_is_found(files: Files, data: st.DataObject, change: int) -> None:
    which = data.draw(st.sampled_from(["receipts", "csv", "ndjson"]))
    body = bytearray(getattr(files, which))
    body[data.draw(st.integers(0, len(body) - 1))] ^= change
    assert files.check(**{which: bytes(body)}) == 1


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_byte_less_or_more_is_found(files: Files, data: st.DataObject) -> None:
    which = data.draw(st.sampled_from(["receipts", "csv", "ndjson"]))
    body = getattr(files, which)
    at = data.draw(st.integers(0, len(body) - 1))
    assert files.check(**{which: body[:at] + body[at + 1 :]}) == 1
    assert files.check(**{which: body[:at] + b"7" + body[at:]}) == 1
    assert files.check(**{which: body[:at]}) == 1
    assert files.check(**{which: body + b"7"}) == 1


def pairs(files: Files) -> list[bytes]:
    lines = files.receipts.splitlines(keepends=True)
    return [b"".join(lines[at : at + 2]) for at in range(0, len(lines), 2)]


def said(files: Files, capsys: pytest.CaptureFixture[str], **changes: bytes) -> str:
    assert files.check(**changes) == 1
    out = capsys.readouterr().out
    assert out.startswith("NOT VERIFIED: ")
    return out


def test_it_says_which_receipt_is_missing(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    lines = pairs(files)
    for index, partition_id in ((0, "r-000001"), (1, "r-000002"), (2, "r-000003")):
        assert f"the receipt of {partition_id} is missing" in said(
            files, capsys, receipts=b"".join(lines[:index] + lines[index + 1 :])
        )
    assert "the receipts after r-000003 are missing" in said(files, capsys, receipts=b"".join(lines[:-1]))
    assert "missing" in said(files, capsys, receipts=b"".join(lines[2:]))
    assert "chain" in said(files, capsys, receipts=b"")


def test_it_says_what_is_out_of_order(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    lines = pairs(files)
    assert "missing before" in said(files, capsys, receipts=b"".join([lines[1], lines[0], *lines[2:]]))
    assert "out of order, or twice" in said(files, capsys, receipts=b"".join([lines[0], *lines]))


def test_it_says_which_manifest_is_another(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    changed = files.receipts.replace(b'"size":7', b'"size":8', 1)
    assert changed != files.receipts
    assert "line 1 is not the manifest that the receipt of r-000001" in said(files, capsys, receipts=changed)


def test_it_says_that_a_receipt_was_changed(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    changed = files.receipts.replace(b'"outcome":"DENIED"', b'"outcome":"COPIED"', 1)
    assert changed != files.receipts
    assert "not those that the job was settled with" in said(files, capsys, receipts=changed)


def test_it_shows_the_first_row_that_differs(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(files, capsys, csv=files.csv.replace(b",DENIED,", b",COPIED,"))
    assert f"line {KEYS.index('in/a/05') + 2} of the report" in out
    assert "it says     'in/a/05,out/b/05,7,COPIED," in out
    assert "it must say 'in/a/05,out/b/05,7,DENIED," in out
    out = said(files, capsys, ndjson=b"".join(files.ndjson.splitlines(keepends=True)[:-1]))
    assert "line 14 of the report" in out
    assert "it ends before" in out
    assert "more than its receipts" in said(files, capsys, csv=files.csv + files.csv.splitlines(keepends=True)[-1])


def test_it_is_a_command(files: Files) -> None:
    files.check()
    command = [sys.executable, "-m", "tools.verify_report", str(files.folder / "receipts.ndjson"), "--chain"]
    done = subprocess.run([*command, files.chain], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "verified: chain and receipts agree: 14 objects in 4 partitions\n")
    done = subprocess.run([*command, "0" * 64], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    done = subprocess.run([*command, files.chain, "--report", "x.txt"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "neither .csv nor .ndjson" in done.stdout
