"""Plan jobs that go by a list of objects. The list is pinned when the job is accepted, and is read by ranges of bytes
when the job is planned."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from chalicelib.core.errors import BadRequest, EftError, ErrorCode, NotFound, PreconditionFailed, Retry
from chalicelib.core.inputs import ListFormat, Named
from chalicelib.core.keylist import BadLine, Cursor, Lines, NoList, read_line, write_line
from chalicelib.core.model import Endpoint, JobKind, JobSpec, ObjectList, Row
from chalicelib.ports import Env
from chalicelib.protocol.inventory import InventoryLines, inventory_of
from chalicelib.protocol.places import find_endpoint
from chalicelib.protocol.planning import Cut, plan_named
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.submitting import Submission

PIECE_BYTES = 128 * 1024
"""Bytes per read: about 1,000 lines."""
LINES_PER_ROW = 100
"""How many lines of an inventory are read at most for each row that a manifest may have. Lines of old versions and of
other prefixes give no rows. When the limit is reached, a manifest is written even without rows, to keep the
position."""


def pinned(env: Env, records: JobRecords, spec: JobSpec, submission: Submission) -> JobSpec:
    """Return the job with its list pinned, if it goes by one: no later reader can then read another list. Raises
    BadRequest if the list can't be read."""
    if spec.kind not in (JobKind.KEYS, JobKind.MANIFEST) or records.spec() is not None:
        # A repeated request keeps the list that was pinned the first time, whatever the list's key holds now.
        return spec
    if spec.kind is JobKind.KEYS:
        return replace(spec, listed=_keep_keys(env, records, spec, submission))
    return replace(spec, listed=_pin_manifest(env, spec.source, submission))


def _keep_keys(env: Env, records: JobRecords, spec: JobSpec, submission: Submission) -> ObjectList:
    """Store the request's keys in an object of their own, since a job's item in the table could not hold them."""
    names = (Named(spec.source_prefix + key) for key in submission.keys)
    body = "".join(write_line(spec.source.bucket.name, name) for name in names).encode()
    # The object is named after the request. So another request under the same Idempotency-Key doesn't find this
    # request's object in its way. Crash here: nothing refers to the object. The client's retry writes the same one
    # again.
    key = records.keep_keys(spec.request_sha256, body)
    head = env.store.head(records.control.bucket, key)
    if head is None:
        raise NotFound("RecordVanished", key)
    return ObjectList(records.control.bucket, key, head.facts.etag, len(body))


def _pin_manifest(env: Env, source: Endpoint, submission: Submission) -> ObjectList:
    place = submission.manifest
    assert place is not None, "only of a job by manifest"
    endpoint = find_endpoint(env, submission.tenant, place.endpoint)
    assert endpoint is not None, "checked with the rest of the submission"
    key = endpoint.prefix + place.key
    try:
        head = env.store.head(endpoint.bucket, key)
    except Retry:
        raise
    except EftError as error:
        raise _unreadable(place.key, f"can't be read: {error}") from error
    if head is None:
        raise _unreadable(place.key, "is not there")
    facts = head.facts
    listed = ObjectList(
        endpoint.bucket, key, facts.etag, facts.size, facts.version_id, place.endpoint, place.key, place.format
    )
    if place.format is ListFormat.INVENTORY:
        _check_inventory(env, source, listed)
    return listed


def _check_inventory(env: Env, source: Endpoint, listed: ObjectList) -> None:
    """Raise BadRequest if the inventory as a whole is unusable: the client should know now, not when the job has
    failed."""
    try:
        inventory = inventory_of(env, listed)
    except NoList as error:
        raise _unreadable(listed.name, f"can't be read: {error}") from None
    except (PreconditionFailed, NotFound):
        raise _unreadable(listed.name, "was changed just now: submit the job again") from None
    if inventory.source_bucket != source.bucket.name:
        why = f"is an inventory of bucket {inventory.source_bucket[:64]!r}; the source's is {source.bucket.name!r}"
        raise _unreadable(listed.name, why)


def _unreadable(name: str, why: str) -> BadRequest:
    return BadRequest(ErrorCode.MANIFEST_UNREADABLE, f"manifest {name!r} {why}")


@dataclass(slots=True)
class _Read:
    """The lines that were read for one manifest."""

    named: dict[str, Named] = field(default_factory=dict)
    before: dict[str, Cursor] = field(default_factory=dict)
    """Key -> the position at which the line that names it begins."""
    bad: list[tuple[Cursor, str]] = field(default_factory=list)
    upto: Cursor = field(default_factory=Cursor)
    last: bool = True
    error: str = ""


@dataclass(frozen=True, slots=True)
class _CsvLines:
    """Iterates over the lines of a CSV list, and parses them."""

    env: Env
    spec: JobSpec
    listed: ObjectList

    def named(self, raw: bytes) -> Named | None:
        return read_line(raw, self.spec.source.bucket.name, self.spec.source_prefix)

    def where(self, at: Cursor) -> str:
        return f"line {at.lines + 1} of the manifest"

    def lines(self, cursor: Cursor) -> Iterator[tuple[bytes, Cursor]]:
        """Yield the lines from `cursor` on, each with the cursor after it. The list is read piece by piece."""
        listed, lines, at = self.listed, Lines(cursor), cursor.offset
        while at < listed.size:
            end = min(at + PIECE_BYTES, listed.size)
            piece = self.env.store.read(
                listed.bucket, listed.key, listed.etag, at, end - 1, version_id=listed.version_id
            )
            yield from lines.feed(piece, end=end == listed.size)
            at = end


def cut_list(env: Env, spec: JobSpec, after: str) -> Cut:
    """Return the rows for the objects that the next lines name, as many as make one partition.

    If one partition has two lines for a key, the first line counts. A row of a later partition is planned against the
    object that is at the destination then, and publishes nothing that is there already (`plan_row`).
    """
    found = _read_lines(env, spec, Cursor.parse(after))
    accepted_ms = ControlRecords(env, spec.control_region).job(spec.job_id).accepted_ms()
    rows = plan_named(env, spec, list(found.named.values()), accepted_ms)
    taken = _within_bytes(rows, env.policy.partition_bytes)
    if len(taken) < len(rows):
        upto = found.before[rows[len(taken)].key]
        bad = [why for at, why in found.bad if at.position < upto.position]
        return Cut(taken, str(upto), last=False, error=_told(bad))
    errors = [_told([why for _, why in found.bad]), found.error]
    return Cut(rows, str(found.upto), found.last, error="; ".join(filter(None, errors)))


def _told(bad: list[str]) -> str:
    return f"{bad[0]} (and {len(bad) - 1} more near it)" if len(bad) > 1 else "".join(bad)


def _within_bytes(rows: tuple[Row, ...], limit: int) -> tuple[Row, ...]:
    """Return the first rows that have at most `limit` bytes together, but at least one row."""
    total = 0
    for index, row in enumerate(rows):
        total += row.size
        if total > limit and index > 0:
            return rows[:index]
    return rows


def _read_lines(env: Env, spec: JobSpec, cursor: Cursor) -> _Read:
    found = _Read(upto=cursor)
    assert spec.listed is not None, "only of a job by list"
    inventory = spec.listed.format is ListFormat.INVENTORY
    try:
        source = InventoryLines.open(env, spec) if inventory else _CsvLines(env, spec, spec.listed)
        lines_max = env.policy.partition_rows * (LINES_PER_ROW if inventory else 1)
        for index, (raw, after) in enumerate(source.lines(cursor)):
            if index == lines_max or len(found.named) + len(found.bad) == env.policy.partition_rows:
                found.last = False
                break
            _take(found, source, raw)
            found.upto = after
    except NoList as error:
        found.error = f"the manifest can't be read on: {error}"
    except (PreconditionFailed, NotFound):
        found.error = "the manifest was changed or removed after the job was accepted: the rest of it is not copied"
    except Retry:
        raise
    except EftError as error:
        found.error = f"the manifest can't be read on: {error}"
    return found


def _take(found: _Read, source: InventoryLines | _CsvLines, raw: bytes) -> None:
    """Add one line, which begins at `found.upto`, to the result."""
    at = found.upto
    try:
        name = source.named(raw)
        if name is None:
            return
        known = found.named.get(name.key)
        if known is not None and known != name:
            raise BadLine("it names another version of an object that was named before: one can be delivered")
    except BadLine as error:
        found.bad.append((at, f"{source.where(at)}: {error}"))
        return
    if known is None:
        found.named[name.key] = name
        found.before[name.key] = at
