"""Compare the table of limits in docs/api.md with the code."""

import re
from typing import get_args

import pytest

from chalicelib.adapters import ledger, webhook_client
from chalicelib.core import cron, deletions, filters, inventory, keylist, webhooks
from chalicelib.core.entries import NAME
from chalicelib.core.policy import KEY_MAX_BYTES, OBJECT_MAX_BYTES, PART_MAX_BYTES, PARTS_MAX, Policy
from chalicelib.entry.rest import endpoints, requests
from chalicelib.steps import feeds, report, schedules
from tests.docs.test_api_walk import PAGE
from tests.template import TEMPLATE

POLICY = Policy()
_PAGE = requests.PageQuery.model_json_schema()["properties"]["limit"]
_LABEL = get_args(requests.Label)[1]
_REPORT_KEPT = re.search(r"forget-reports.*ExpirationInDays: (\d+)", TEMPLATE.read_text())
assert _REPORT_KEPT is not None
_DAY_MS = 24 * 3_600_000

LIMITS: dict[str, list[float]] = {
    "requests of a tenant to a Region": [POLICY.requests_per_minute_per_tenant],
    "a request's body": [requests.BODY_MAX_BYTES],
    "a page: `limit`": [_PAGE["minimum"], _PAGE["maximum"], _PAGE["default"]],
    "the name of an endpoint, feed, schedule, webhook": [
        (lengths := [n for n in range(200) if NAME.fullmatch("a" * n)])[0],
        lengths[-1],
    ],
    "an Idempotency-Key": [1, requests.IDEMPOTENCY_KEY_MAX_CHARACTERS],
    "labels": [requests.LABELS_MAX, _LABEL.min_length, _LABEL.max_length],
    "a key; a prefix with its endpoint's": [KEY_MAX_BYTES],
    "`keys` of a job": [requests.KEYS_MAX],
    "a filter's `include`, `exclude`": [filters.PATTERNS_MAX, 1, filters.PATTERN_MAX_CHARACTERS],
    "a filter's `min_size`, `max_size`": [requests.OBJECT_MAX_BYTES],
    "an object to copy": [POLICY.object_max_bytes, PARTS_MAX, PART_MAX_BYTES],
    "a CSV manifest": [keylist.LINE_MAX_BYTES],
    "an inventory's `manifest.json`": [inventory.MANIFEST_MAX_BYTES],
    "an inventory's data file, compressed": [inventory.FILE_MAX_BYTES],
    "a line of it": [inventory.LINE_MAX_BYTES],
    "a tenant's partitions at work in a Region": [
        POLICY.tenant_partitions_max,
        POLICY.partition_rows,
        POLICY.partition_bytes,
    ],
    "`max_concurrency` of an endpoint": [1, endpoints.MAX_CONCURRENCY],
    "a plan": [POLICY.plan_kept_ms],
    "`delete.max_objects`": [1, deletions.OBJECTS_MAX],
    "a report with `sha256`": [POLICY.report_digest_max_bytes],
    "a report's file": [int(_REPORT_KEPT[1]) * _DAY_MS],
    "a report's link": [report.LINK_S * 1000],
    "unfinished back-fills of a feed": [feeds.BACKFILLS_MAX],
    "what a feed remembers of its deliveries": [ledger.DELIVERY_KEPT_S * 1000],
    "a schedule with its job": [schedules.SCHEDULE_MAX_BYTES],
    "a schedule's expression": [cron.EXPRESSION_MAX_CHARACTERS, POLICY.schedule_interval_min_ms],
    "`runs` of a schedule": [schedules.RUNS_SHOWN],
    "endpoints, feeds, schedules, webhooks of a tenant": [
        POLICY.endpoints_per_tenant,
        POLICY.feeds_per_tenant,
        POLICY.schedules_per_tenant,
        POLICY.webhooks_per_tenant,
    ],
    "removed ones of a kind": [POLICY.removed_per_tenant, POLICY.removed_kept_ms],
    "a webhook's URL": [webhooks.URL_MAX_CHARACTERS],
    "replaced secrets of a webhook": [webhooks.REPLACED_MAX, webhooks.REPLACED_VALID_MS],
    "a webhook's receiver": [webhook_client.TIMEOUT_S * 1000, POLICY.webhook_attempts],
}
"""These are the values in the code for each row, in the order of the row's numbers. A value with a unit is in bytes or
milliseconds."""

_UNITS = {
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
    "seconds": 1000,
    "minutes": 60_000,
    "hours": 3_600_000,
    "days": _DAY_MS,
}
_NUMBER = re.compile(rf"(?<![\w-])(\d[\d,]*)(\.\d+)?(?: ({'|'.join(_UNITS)})\b)?")


def _differs(text: str, limits: list[float]) -> bool:
    """Return whether the numbers differ. A number with decimals is rounded to so many; all others are exact."""
    numbers = list(_NUMBER.finditer(text))
    if len(numbers) != len(limits):
        return True
    for match, limit in zip(numbers, limits, strict=True):
        digits, fraction, unit = match[1], match[2] or "", _UNITS.get(match[3] or "", 1)
        value = limit / unit
        if float(digits.replace(",", "") + fraction) != (round(value, len(fraction) - 1) if fraction else value):
            return True
    return False


def _rows() -> dict[str, str]:
    section = PAGE.read_text().partition("\n## Limits\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {of: limit for of, limit, _ in cells[2:]}


def test_each_limit_is_the_code_s() -> None:
    rows = _rows()
    assert rows.keys() == LIMITS.keys()
    assert {of: text for of, text in rows.items() if _differs(text, LIMITS[of])} == {}


def test_the_largest_object_is_what_s3_puts_together_of_parts() -> None:
    assert POLICY.object_max_bytes == OBJECT_MAX_BYTES == PARTS_MAX * PART_MAX_BYTES


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("2 MiB", [2 * 1024**2 + 1]),
        ("1,000", [1001]),
        ("48.9 TiB", [OBJECT_MAX_BYTES]),
        ("7 days", [7 * _DAY_MS + 1]),
        ("1 to 64", [64]),
        ("64", [1, 64]),
    ],
)
def test_a_number_that_is_wrong_is_noticed(text: str, limits: list[float]) -> None:
    assert _differs(text, limits)
