"""Check a job's report against its receipts, and the receipts against the hash chain, offline.

    python -m tools.verify_report RECEIPTS --chain HASH [--report REPORT]

RECEIPTS is the answer of `GET /jobs/{id}/report?format=receipts`: a manifest and its receipt for each partition, in
order. HASH is the job's `receipt_chain_sha256`. Take it from `GET /jobs/{id}` or, better, from the "Job Settled" event,
which left the service on the day. The chain covers every receipt. Each receipt names its manifest by digest. The two
determine every row of the report. REPORT (csv or ndjson) is made again from them and compared byte by byte.

Exit 0: everything agrees. Exit 1: the message says where the first difference is.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

from chalicelib.core import codec
from chalicelib.core.errors import Corrupt
from chalicelib.core.ids import aside_of, is_aside, is_partition_id, split_partition_id
from chalicelib.core.manifests import Manifest, Receipt
from chalicelib.core.report import ReportFormat, opening, render
from chalicelib.core.settle import CHAIN_START, chain

R = TypeVar("R", Manifest, Receipt)
SHOWN_BYTES = 300


class Differs(Exception):
    """The first difference that was found."""


@dataclass(slots=True)
class Verified:
    """Counts and chain of the partitions that were checked."""

    partitions: int = 0
    rows: int = 0
    head: str = CHAIN_START
    _ranges: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """Range -> its highest partition, and whether that was its last."""
    _before: str = ""
    _awaited: str = ""
    """The partition to which rows of the previous one were set aside. Its receipt must come next."""

    def add(self, receipt: Receipt, line: bytes) -> None:
        if not is_partition_id(receipt.partition_id):
            raise Differs(f"{receipt.partition_id!r} is no partition")
        range_id, ordinal = split_partition_id(receipt.partition_id)
        if receipt.partition_id <= self._before:
            raise Differs(
                f"the receipt of {receipt.partition_id} comes after that of {self._before}: out of order, or twice"
            )
        highest, _ = self._ranges.get(range_id, (0, False))
        if ordinal != highest + (not is_aside(receipt.partition_id)):
            raise Differs(
                f"the receipt of {range_id}-{highest + 1:06d} is missing before that of {receipt.partition_id}"
            )
        if not is_aside(receipt.partition_id):
            if self._awaited:
                raise Differs(f"the receipt of {self._awaited} is missing before that of {receipt.partition_id}")
            self._ranges[range_id] = ordinal, receipt.last
        elsewhere = any(not row.outcome.is_end for row in receipt.rows) and not is_aside(receipt.partition_id)
        self._awaited = aside_of(receipt.partition_id) if elsewhere else ""
        self._before = receipt.partition_id
        self.partitions += 1
        self.rows += sum(row.outcome.is_end for row in receipt.rows)
        self.head = chain(self.head, hashlib.sha256(line).hexdigest())

    def end(self, expected: str) -> None:
        """Check, after the last receipt, that none is missing and that the chain is the one that was settled. Raises
        Differs."""
        for range_id, (highest, is_last) in self._ranges.items():
            is_split = all(any(name.startswith(range_id + half) for name in self._ranges) for half in "01")
            if not is_last and not is_split:
                raise Differs(f"the receipts after {range_id}-{highest:06d} are missing")
        if self._awaited:
            raise Differs(f"the receipt of {self._awaited} is missing")
        if self.head != expected:
            raise Differs(
                f"the receipts are not those that the job was settled with: their chain is {self.head}, "
                f"and it must be {expected}"
            )


def verify(receipts: Path, chain_sha256: str, report: Path | None) -> Verified:
    """Check the receipts, then the report if there is one. Return the counts. Raises Differs."""
    format_of_report = _format_of(report) if report else None
    verified = Verified()
    with receipts.open("rb") as bundle:
        for _ in _partitions(bundle, verified):
            pass
    verified.end(chain_sha256)
    if report is not None and format_of_report is not None:
        with receipts.open("rb") as bundle, report.open("rb") as report_file:
            _compare(_expected(bundle, format_of_report), report_file)
    return verified


def _partitions(bundle: BinaryIO, verified: Verified) -> Iterator[tuple[bytes, bytes]]:
    """Yield each partition's two records, once they agree with each other."""
    number = 0
    while line := bundle.readline():
        number += 2
        manifest_line, receipt_line = _cut(line, number - 1), _cut(bundle.readline(), number)
        manifest, receipt = _read(manifest_line, Manifest, number - 1), _read(receipt_line, Receipt, number)
        if manifest.partition_id != receipt.partition_id:
            raise Differs(
                f"line {number} is the receipt of {receipt.partition_id}; that of {manifest.partition_id} must be there"
            )
        if hashlib.sha256(manifest_line).hexdigest() != receipt.manifest_sha256:
            raise Differs(
                f"line {number - 1} is not the manifest that the receipt of {receipt.partition_id} was written for"
            )
        verified.add(receipt, receipt_line)
        yield manifest_line, receipt_line


def _cut(line: bytes, number: int) -> bytes:
    if not line.endswith(b"\n"):
        raise Differs(f"the receipts end in the middle, at line {number}: fetch them again")
    return line[:-1]


def _read(line: bytes, kind: type[R], number: int) -> R:
    try:
        return codec.loads(line, kind)
    except Corrupt as error:
        raise Differs(f"line {number} is no {kind.__name__.lower()}: {error.message[:SHOWN_BYTES]}") from None


def _expected(bundle: BinaryIO, report: ReportFormat) -> Iterator[bytes]:
    yield opening(report)
    for manifest, receipt in _partitions(bundle, Verified()):
        yield render(report, "", manifest, receipt).body


def _compare(expected: Iterator[bytes], report_file: BinaryIO) -> None:
    line = 1
    for piece in expected:
        actual = report_file.read(len(piece))
        if actual != piece:
            raise Differs(_difference(piece, actual + report_file.readline(), line))
        line += piece.count(b"\n")
    if remainder := report_file.readline():
        raise Differs(f"the report has more than its receipts, from line {line} on: {_shown(remainder)}")


def _difference(expected: bytes, actual: bytes, line: int) -> str:
    expected_lines, actual_lines = expected.split(b"\n"), actual.split(b"\n")
    for offset, expected_line in enumerate(expected_lines):
        actual_line = actual_lines[offset] if offset < len(actual_lines) else None
        if actual_line != expected_line:
            finding = f"it says     {_shown(actual_line)}" if actual_line else "it ends before"
            difference = f"line {line + offset} of the report is not as receipted"
            return f"{difference}:\n{finding}\nit must say {_shown(expected_line)}"
    raise AssertionError("called for what differs")


def _shown(line: bytes) -> str:
    return repr(line[:SHOWN_BYTES].decode(errors="replace"))


def _format_of(report: Path) -> ReportFormat:
    formats = {".csv": ReportFormat.CSV, ".ndjson": ReportFormat.NDJSON}
    if report.suffix not in formats:
        raise Differs(f"{report.name} is neither .csv nor .ndjson: only those can be made again from receipts")
    return formats[report.suffix]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="verify_report", description="Holds a job's report against its receipts.")
    parser.add_argument("receipts", type=Path, help="GET /jobs/{id}/report?format=receipts")
    parser.add_argument("--chain", required=True, help="the job's receipt_chain_sha256, from another source if you can")
    parser.add_argument("--report", type=Path, help="GET /jobs/{id}/report, csv or ndjson")
    options = parser.parse_args(arguments)
    try:
        verified = verify(options.receipts, options.chain, options.report)
    except (Differs, OSError) as error:
        print(f"NOT VERIFIED: {error}")
        return 1
    claim = "chain, receipts and report agree" if options.report else "chain and receipts agree"
    print(f"verified: {claim}: {verified.rows} objects in {verified.partitions} partitions")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
