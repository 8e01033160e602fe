"""Plan jobs whose objects a list names. The list is pinned when the job is accepted, and is read by ranges of bytes
when the job is planned."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.errors import BadRequest, EftError, ErrorCode, NotFound, PreconditionFailed, Retry
from chalicelib.core.inputs import ListFormat, Named
from chalicelib.core.jobs import JobKind, JobSpec, ObjectList
from chalicelib.core.keylist import BadLine, Cursor, Lines, NoList, read_line, write_line
from chalicelib.core.rows import Row
from chalicelib.ports import Env
from chalicelib.protocol.catalog import find_endpoint
from chalicelib.protocol.inventory import InventoryLines, inventory_of
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
    """Return the job with its list pinned, if it has one, so that every later reader reads the same list. Raises
    BadRequest if the list can't be read."""
    if spec.kind not in (JobKind.KEYS, JobKind.MANIFEST) or records.spec() is not None:
        # A repeated request keeps the list that was pinned the first time, whatever object has the list's key now.
        return spec
    if spec.kind is JobKind.KEYS:
        return replace(spec, listed=_keep_keys(env, records, spec, submission))
    return replace(spec, listed=_pin_manifest(env, spec.source, submission))


def _keep_keys(env: Env, records: JobRecords, spec: JobSpec, submission: Submission) -> ObjectList:
    """Store the request's keys in an object of their own, since a job's item in the table could not hold them."""
    names = (Named(spec.source_prefix + key) for key in submission.keys)
    body = "".join(write_line(spec.source.bucket.name, name) for name in names).encode()
    # The object is named after the request. So another request under the same Idempotency-Key doesn't meet this
    # request's object. Crash here: nothing refers to the object. The client's retry writes the same one again.
    key = records.keep_keys(spec.request_sha256, body)
    head = env.store.head(records.control.bucket, key)
    if head is None:
        raise NotFound("RecordVanished", key)
    return ObjectList(records.control.bucket, key, head.facts.etag, len(body))


def _pin_manifest(env: Env, source: Endpoint, submission: Submission) -> ObjectList:
    location = submission.manifest
    assert location is not None, "only of a job by manifest"
    endpoint = find_endpoint(env, submission.tenant, location.endpoint)
    assert endpoint is not None, "checked with the rest of the submission"
    key = endpoint.prefix + location.key
    try:
        head = env.store.head(endpoint.bucket, key)
    except Retry:
        raise
    except EftError as error:
        raise _unreadable(location.key, f"can't be read: {error}") from error
    if head is None:
        raise _unreadable(location.key, "is not there")
    facts = head.facts
    listed = ObjectList(
        endpoint.bucket, key, facts.etag, facts.size, facts.version_id, location.endpoint, location.key, location.format
    )
    if location.format is ListFormat.INVENTORY:
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
class _LinesRead:
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
        listed, lines, offset = self.listed, Lines(cursor), cursor.offset
        while offset < listed.size:
            end = min(offset + PIECE_BYTES, listed.size)
            piece = self.env.store.read(
                listed.bucket, listed.key, listed.etag, offset, end - 1, version_id=listed.version_id
            )
            yield from lines.feed(piece, end=end == listed.size)
            offset = end


def cut_list(env: Env, spec: JobSpec, after: str) -> Cut:
    """Return the rows for the objects that the next lines name, as many as make one partition.

    If one partition has two lines for a key, the first line counts. A row of a later partition is planned against the
    object that is at the destination then, and publishes nothing that is there already (`plan_row`).
    """
    lines = _read_lines(env, spec, Cursor.parse(after))
    accepted_ms = ControlRecords(env, spec.control_region).job(spec.job_id).accepted_ms()
    rows = plan_named(env, spec, list(lines.named.values()), accepted_ms)
    fitting = _within_bytes(rows, env.policy.partition_bytes)
    if len(fitting) < len(rows):
        upto = lines.before[rows[len(fitting)].key]
        problems = [problem for cursor, problem in lines.bad if cursor.position < upto.position]
        return Cut(fitting, str(upto), last=False, error=_problems_text(problems))
    errors = [_problems_text([problem for _, problem in lines.bad]), lines.error]
    return Cut(rows, str(lines.upto), lines.last, error="; ".join(filter(None, errors)))


def _problems_text(problems: list[str]) -> str:
    return f"{problems[0]} (and {len(problems) - 1} more near it)" if len(problems) > 1 else "".join(problems)


def _within_bytes(rows: tuple[Row, ...], limit: int) -> tuple[Row, ...]:
    """Return the first rows that have at most `limit` bytes together, but at least one row."""
    total = 0
    for index, row in enumerate(rows):
        total += row.size
        if total > limit and index > 0:
            return rows[:index]
    return rows


def _read_lines(env: Env, spec: JobSpec, cursor: Cursor) -> _LinesRead:
    lines = _LinesRead(upto=cursor)
    assert spec.listed is not None, "only of a job by list"
    inventory = spec.listed.format is ListFormat.INVENTORY
    try:
        source = InventoryLines.open(env, spec) if inventory else _CsvLines(env, spec, spec.listed)
        lines_max = env.policy.partition_rows * (LINES_PER_ROW if inventory else 1)
        for index, (raw, after) in enumerate(source.lines(cursor)):
            if index == lines_max or len(lines.named) + len(lines.bad) == env.policy.partition_rows:
                lines.last = False
                break
            _add_line(lines, source, raw)
            lines.upto = after
    except NoList as error:
        lines.error = f"the manifest can't be read on: {error}"
    except (PreconditionFailed, NotFound):
        lines.error = "the manifest was changed or removed after the job was accepted: the rest of it is not copied"
    except Retry:
        raise
    except EftError as error:
        lines.error = f"the manifest can't be read on: {error}"
    return lines


def _add_line(lines: _LinesRead, source: InventoryLines | _CsvLines, raw: bytes) -> None:
    """Add one line, which begins at `lines.upto`, to the lines that were read."""
    cursor = lines.upto
    try:
        name = source.named(raw)
        if name is None:
            return
        earlier = lines.named.get(name.key)
        if earlier is not None and earlier != name:
            raise BadLine("it names another version of an object that was named before: one can be delivered")
    except BadLine as error:
        lines.bad.append((cursor, f"{source.where(cursor)}: {error}"))
        return
    if earlier is None:
        lines.named[name.key] = name
        lines.before[name.key] = cursor
