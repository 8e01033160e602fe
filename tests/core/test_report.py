"""Reports, row by row: what is written is read back, whatever the keys are, and no spreadsheet calculates it."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import unquote, unquote_plus

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chalicelib.core import codec
from chalicelib.core.manifests import Manifest, Receipt
from chalicelib.core.objects import Checksum, ChecksumType
from chalicelib.core.report import COLUMNS, ReportFormat, guarded, opening, render, unguarded
from chalicelib.core.rows import Method, Outcome, Row, RowOutcome
from chalicelib.core.rows import Verification as By
from chalicelib.entry.rest.responses import ObjectStatus

KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
ODD = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r\n", "'quoted'", "''", "＝1", 'a"b,c;d', "\x00", "\x07"]
BUCKET = "source-west"


def partition(pairs: list[tuple[Row, RowOutcome]]) -> tuple[bytes, bytes]:
    rows, outcomes = tuple(row for row, _ in pairs), tuple(outcome for _, outcome in pairs)
    manifest = Manifest("job", "r-000001", "", "", True, rows, 0, 0, "west", "n")
    receipt = Receipt("job", "r-000001", "west", "", outcomes, 0, 0, True, "", 1, 1_800_000_000_123, "n")
    return codec.dumps(manifest), codec.dumps(receipt)


def row_of(key: str, outcome: Outcome = Outcome.COPIED, version: str | None = None) -> tuple[Row, RowOutcome]:
    checksum = Checksum("CRC32", ChecksumType.FULL_OBJECT, "+abcdA==")
    row = Row(key, f"out/{key}", 5, "0123", None, Method.COPY, version_id=version)
    return row, RowOutcome(key, outcome, f"about {key}", "4567", "v2", checksum, By.CHECKSUM)


PAIRS = st.builds(row_of, KEYS, st.sampled_from([outcome for outcome in Outcome if outcome.is_end]), st.none() | KEYS)


def read_csv(body: bytes) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(body.decode(), newline=""), strict=True)
    return [{name: unguarded(cell) for name, cell in row.items()} for row in reader]


def read_ndjson(body: bytes) -> list[dict[str, Any]]:
    assert body.endswith(b"\n") or not body
    return [json.loads(line) for line in body.split(b"\n")[:-1]]


def same_in_both(pairs: list[tuple[Row, RowOutcome]]) -> None:
    as_csv = render(ReportFormat.CSV, BUCKET, *partition(pairs))
    as_json = render(ReportFormat.NDJSON, BUCKET, *partition(pairs))
    assert as_csv.rows == as_json.rows == len(pairs)
    for cells, fields, (row, outcome) in zip(
        read_csv(opening(ReportFormat.CSV) + as_csv.body), read_ndjson(as_json.body), pairs, strict=True
    ):
        checksum = cast(Checksum, outcome.checksum)
        assert (fields["key"], fields["target_key"]) == (row.key, row.target)
        assert (fields["outcome"], fields["detail"]) == (outcome.outcome, outcome.detail)
        assert (fields["source_version_id"], fields["size"]) == (row.version_id, 5)
        assert (fields["source_etag"], fields["target_etag"], fields["target_version_id"]) == ("0123", "4567", "v2")
        assert fields["checksum"] == {"algorithm": "CRC32", "type": "FULL_OBJECT", "value": checksum.value}
        assert (fields["verified_region"], fields["verified_at"]) == ("west", "2027-01-15T08:00:00.123Z")
        flat = fields | {f"checksum_{name}": value for name, value in fields.pop("checksum").items()}
        assert cells == {name: "" if flat[name] is None else str(flat[name]) for name in COLUMNS}


@given(st.lists(PAIRS, max_size=5))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_is_read_back(pairs: list[tuple[Row, RowOutcome]]) -> None:
    same_in_both(pairs)


@pytest.mark.parametrize("key", ODD, ids=repr)
def test_odd_keys(key: str) -> None:
    same_in_both([row_of(key), row_of("after it")])


@given(KEYS)
@example("'=1")
def test_no_cell_is_a_formula_and_every_text_comes_back(text: str) -> None:
    assert guarded(text)[:1] not in tuple("=+-@\t\r\n＝＋－＠")
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("key", ODD, ids=repr)
def test_every_cell_of_a_row_is_guarded(key: str) -> None:
    body = render(ReportFormat.CSV, BUCKET, *partition([row_of(key)])).body
    [cells] = csv.reader(io.StringIO(body.decode(), newline=""))
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r\n＝＋－＠")]


def test_lines_end_as_rfc_4180_says() -> None:
    body = opening(ReportFormat.CSV) + render(ReportFormat.CSV, BUCKET, *partition([row_of("plain")])).body
    assert body.count(b"\r\n") == body.count(b"\n") == 2
    assert body.startswith(b"key,target_key,size,outcome,")


def test_names_are_the_apis() -> None:
    [line] = read_ndjson(render(ReportFormat.NDJSON, BUCKET, *partition([row_of("key")])).body)
    assert set(ObjectStatus.model_fields) <= set(line)


@pytest.mark.parametrize("decode", [unquote, unquote_plus])
@given(st.lists(PAIRS, max_size=5))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_failures_are_read_back_by_either_decoder(
    decode: Callable[[str], str], pairs: list[tuple[Row, RowOutcome]]
) -> None:
    rendered = render(ReportFormat.FAILURES, BUCKET, *partition(pairs))
    lines = rendered.body.decode("ascii").splitlines()
    failed = [(row, outcome.outcome) for row, outcome in pairs if not outcome.outcome.good]
    assert rendered.rows == len(lines) == len(failed)
    for line, (row, outcome) in zip(lines, failed, strict=True):
        bucket, key, *version = line.split(",")
        assert (bucket, decode(key)) == (BUCKET, row.key)
        spent = outcome in (Outcome.SOURCE_CHANGED, Outcome.SOURCE_GONE)
        assert [decode(text) for text in version] == ([] if spent or row.version_id is None else [row.version_id])


def test_receipts_are_the_records_byte_for_byte() -> None:
    manifest, receipt = partition([row_of("key")])
    rendered = render(ReportFormat.RECEIPTS, BUCKET, manifest, receipt)
    assert (rendered.body, rendered.rows) == (manifest + b"\n" + receipt + b"\n", 2)
