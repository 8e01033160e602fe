"""Decides what to do about one source object, from what LIST showed and, where LIST is not enough, HEAD."""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from chalicelib.core import parts
from chalicelib.core.decisions import Rule, decide_by, gives, otherwise
from chalicelib.core.endpoints import Endpoint
from chalicelib.core.identity import Match, etag_parts, recognise
from chalicelib.core.objects import Checksum, ChecksumType, ObjectFacts, ObjectHead
from chalicelib.core.policy import COPY_OBJECT_MAX_BYTES, KEY_MAX_BYTES, OBJECT_MAX_BYTES, PARTS_MAX, Policy
from chalicelib.core.rows import Method, Outcome, OverwriteMode, PartPlan, Row, RowOutcome

ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Classes that can't be read without a restore (GLACIER_IR can)."""
MULTIPART_FULL_OBJECT_ALGORITHMS = frozenset({"CRC32", "CRC32C", "CRC64NVME"})
"""Only for CRCs does the checksum of the whole object follow from those of its upload parts. S3 refuses a FULL_OBJECT
multipart upload of any other algorithm (S3 user guide, "Checking object integrity")."""


class Look(StrEnum):
    """The objects that need a HEAD before a row can be planned."""

    SOURCE = "SOURCE"
    BOTH = "BOTH"


@dataclass(frozen=True, slots=True)
class ObjectPair:
    """The object facts of both sides for one key."""

    source: ObjectFacts
    destination: ObjectFacts | None
    source_head: ObjectHead | None = None
    """The answer to the source's HEAD, if there was one. Its facts are those of `source`."""
    source_parts: tuple[int, ...] = ()
    """The sizes of the source's own upload parts, if they matter and S3 tells them."""


def target_key(key: str, source_prefix: str, target_prefix: str) -> str:
    """Return the destination key: the source prefix is replaced by the target prefix. The keys keep their order."""
    return target_prefix + key.removeprefix(source_prefix)


@dataclass(frozen=True)  # Without slots: the match is kept.
class _Candidate:
    """One source object that may become a row: the case that the decision tables below decide about."""

    pair: ObjectPair
    mode: OverwriteMode
    policy: Policy
    since_ms: int | None
    strict: bool
    target: str = ""
    website: bool = False
    every_object: bool = False

    @property
    def source(self) -> ObjectFacts:
        return self.pair.source

    @property
    def exists(self) -> bool:
        """Whether an object is at the destination."""
        return self.pair.destination is not None

    @property
    def destination(self) -> ObjectFacts:
        assert self.pair.destination is not None, "only for rules that have asked `exists`"
        return self.pair.destination

    @property
    def written_since(self) -> bool:
        """Whether the destination was written after the job was accepted, perhaps by the job itself."""
        return self.since_ms is not None and self.exists and self.destination.last_modified_ms >= self.since_ms

    @property
    def overwrites(self) -> bool:
        """Whether the row is to be copied over whatever is at the destination."""
        return self.mode is OverwriteMode.ALWAYS and not self.written_since

    @cached_property
    def match(self) -> Match:
        return recognise(self.source, self.destination)

    @property
    def listed(self) -> bool:
        """Whether LIST alone has shown one of the sides. It doesn't tell the encryption, and no checksum's value."""
        return self.source.encryption is None or self.destination.encryption is None

    @property
    def refused(self) -> bool:
        return any(rule.applies(self) for rule in REFUSALS)

    @property
    def max_bytes(self) -> int:
        return min(self.policy.object_max_bytes, OBJECT_MAX_BYTES)

    @property
    def small(self) -> bool:
        return self.source.size <= self.policy.multipart_threshold_bytes

    @property
    def full_checksum(self) -> Checksum | None:
        """The source's full-object checksum, if it has one."""
        checksum = self.source.checksum
        return checksum if checksum is not None and checksum.type is ChecksumType.FULL_OBJECT else None

    @property
    def checksum_survives_parts(self) -> bool:
        """Whether a multipart copy can have the source's full-object checksum."""
        return self.full_checksum is not None and self.full_checksum.algorithm in MULTIPART_FULL_OBJECT_ALGORITHMS

    def ends(self, outcome: Outcome, detail: str, etag: str | None = None) -> RowOutcome:
        return RowOutcome(self.source.key, outcome, detail, etag)


def _unchanged(row: _Candidate) -> RowOutcome:
    return RowOutcome(
        row.source.key,
        Outcome.UNCHANGED,
        etag=row.destination.etag,
        version_id=row.destination.version_id,
        checksum=row.destination.checksum if row.match is Match.SAME_BY_CHECKSUM else None,
        verification=row.match.verification,
    )


def _even_parts(row: _Candidate) -> tuple[Method, PartPlan | None]:
    return Method.MULTIPART, parts.even_plan(row.source.size, row.policy.part_size_bytes)


REFUSALS: tuple[Rule[_Candidate, RowOutcome | None], ...] = (
    Rule(
        "its destination key is too long for S3",
        lambda row: len(row.target.encode()) > KEY_MAX_BYTES,
        lambda row: row.ends(
            Outcome.FAILED,
            f"the destination key would have {len(row.target.encode())} bytes, S3 allows {KEY_MAX_BYTES}",
        ),
    ),
    Rule(
        "it is too large for S3, or for the operator's policy",
        lambda row: row.source.size > row.max_bytes,
        lambda row: row.ends(
            Outcome.FAILED, f"it has {row.source.size} bytes, and at most {row.max_bytes} can be copied"
        ),
    ),
    Rule(
        "it has more parts than an upload may have",
        lambda row: row.pair.source_head is not None and len(row.pair.source_parts) > PARTS_MAX,
        lambda row: row.ends(
            Outcome.FAILED, f"it was made of {len(row.pair.source_parts)} parts, and S3 takes {PARTS_MAX}"
        ),
    ),
    Rule(
        "it is archived",
        lambda row: row.source.storage_class in ARCHIVE_CLASSES and not row.source.restored,
        lambda row: row.ends(
            Outcome.ARCHIVED, f"in {row.source.storage_class} and not restored: restore it, then retry"
        ),
    ),
)
"""The rows that S3 or the operator's policy would refuse anyway, with their outcomes."""

OUTCOMES: tuple[Rule[_Candidate, RowOutcome | None], ...] = (
    *REFUSALS,
    Rule("nothing is at the destination", lambda row: not row.exists, gives(None)),
    Rule("it replaces whatever is at the destination", lambda row: row.overwrites, gives(None)),
    Rule(
        "mode never, and an object is at the destination",
        lambda row: row.mode is OverwriteMode.NEVER,
        lambda row: row.ends(Outcome.UNCHANGED, "exists at the destination; mode never", row.destination.etag),
    ),
    Rule("the same is at the destination", lambda row: row.match.same, _unchanged),
    Rule(
        "perhaps the job itself has written the destination",
        lambda row: row.written_since and row.match is Match.UNKNOWN,
        lambda row: row.ends(
            Outcome.DESTINATION_CONFLICT,
            "written since the job was accepted, perhaps by it, and it can't be told from this source",
            row.destination.etag,
        ),
    ),
    Rule(
        "mode fail, and another object is at the destination",
        lambda row: row.mode is OverwriteMode.FAIL,
        lambda row: row.ends(
            Outcome.DESTINATION_CONFLICT, "another object is at the destination; mode fail", row.destination.etag
        ),
    ),
    Rule("it differs from the destination", otherwise, gives(None)),
)
"""The outcome of a row that is decided when it is planned. None: it is to be copied."""

LOOKS: tuple[Rule[_Candidate, Look | None], ...] = (
    Rule("it is refused in any case", lambda row: row.refused, gives(None)),
    Rule(
        "mode never, and an object is at the destination",
        lambda row: row.exists and row.mode is OverwriteMode.NEVER,
        gives(None),
    ),
    Rule(
        "the same is at the destination",
        lambda row: row.exists and not row.overwrites and row.match.same,
        gives(None),
    ),
    Rule(
        "LIST can't tell whether the same is at the destination",
        lambda row: row.exists and not row.overwrites and row.listed and row.match is Match.UNKNOWN,
        gives(Look.BOTH),
    ),
    Rule("the source had its HEAD", lambda row: row.pair.source_head is not None, gives(None)),
    Rule("it may redirect, as its endpoint is a website", lambda row: row.website, gives(Look.SOURCE)),
    Rule(
        "its copy must be revocable, so it is made by parts",
        lambda row: row.strict and row.source.size > 0,
        gives(Look.SOURCE),
    ),
    Rule("every object is to be looked at", lambda row: row.every_object, gives(Look.SOURCE)),
    Rule(
        "one plain CopyObject copies it",
        lambda row: row.small and etag_parts(row.source.etag) == 0,
        gives(None),
    ),
    Rule("it is large, or its ETag is not an MD5", otherwise, gives(Look.SOURCE)),
)
"""Which HEADs are needed before a row can be planned."""

METHODS: tuple[Rule[_Candidate, tuple[Method, PartPlan | None]], ...] = (
    Rule("it is empty", lambda row: row.source.size == 0, gives((Method.COPY, None))),
    Rule(
        "it is small, and its full-object checksum can be compared",
        lambda row: row.full_checksum is not None and row.small and not row.strict,
        gives((Method.COPY, None)),
    ),
    Rule("its full-object checksum survives a multipart copy", lambda row: row.checksum_survives_parts, _even_parts),
    # A full-object checksum of another algorithm is of an object made by one request, so one CopyObject can copy it.
    Rule(
        "its full-object checksum survives only CopyObject",
        lambda row: row.full_checksum is not None,
        gives((Method.COPY, None)),
    ),
    # There is no checksum to compare: repeat the source's own part boundaries, so that the ETags agree.
    Rule(
        "its own part boundaries are known",
        lambda row: bool(row.pair.source_parts),
        lambda row: (Method.MULTIPART, parts.plan_of_sizes(row.pair.source_parts)),
    ),
    # A single-part source without checksum: only CopyObject keeps an ETag that can be compared.
    Rule(
        "one CopyObject can copy it", lambda row: row.source.size <= COPY_OBJECT_MAX_BYTES, gives((Method.COPY, None))
    ),
    Rule("it is too large for one CopyObject", otherwise, _even_parts),
)
"""One CopyObject, or a multipart copy with its part plan. The order of the rules follows from what can be verified
afterwards (design, section 5)."""


def look_needed(
    pair: ObjectPair,
    mode: OverwriteMode,
    source: Endpoint,
    policy: Policy,
    since_ms: int | None = None,
    *,
    strict: bool = False,
    every_object: bool = False,
) -> Look | None:
    """Return which HEADs are needed before a row can be planned, or None (`LOOKS`). For most rows LIST is enough.

    `every_object`: each source that is to be copied gets a HEAD anyway, so that unreadable sources show before anything
    is copied. For the other arguments see `plan_row`.
    """
    candidate = _Candidate(pair, mode, policy, since_ms, strict, website=source.website, every_object=every_object)
    return decide_by(LOOKS, candidate)


def plan_row(
    pair: ObjectPair,
    target: str,
    mode: OverwriteMode,
    policy: Policy,
    since_ms: int | None = None,
    *,
    strict: bool = False,
) -> Row:
    """Return the row, once everything that `look_needed` asked for has been looked at. The row may be decided already
    (`OUTCOMES`); if it isn't, it has its method (`METHODS`).

    `since_ms`: when the job was accepted, by the destination's own clock, if the job may name a key twice. An object
    that was written there since may be the copy of the key's other row. It must not be written again, whatever the
    mode.

    `strict`: only a copy that can be revoked is permitted (`CancelMode.STRICT`).
    """
    facts = pair.source
    row = Row(
        key=facts.key,
        target=target,
        size=facts.size,
        source_etag=facts.etag,
        expected_target_etag=pair.destination.etag if pair.destination else None,
        method=Method.NONE,
        version_id=facts.version_id,
        modified_ms=facts.last_modified_ms,
        storage_class=facts.storage_class,
        checksum=facts.checksum if facts.checksum and facts.checksum.value else None,
        redirect=pair.source_head.properties.redirect if pair.source_head else None,
    )
    candidate = _Candidate(pair, mode, policy, since_ms, strict, target)
    decided = decide_by(OUTCOMES, candidate)
    if decided is not None:
        return replace(row, decided=decided)
    method, part_plan = decide_by(METHODS, candidate)
    if strict and method is Method.COPY and facts.size > 0:
        return replace(row, decided=candidate.ends(Outcome.FAILED, _IRREVOCABLE))
    return replace(row, method=method, parts=part_plan)


_IRREVOCABLE = (
    "the job's cancel is strict, and without a full-object CRC at the source a multipart copy of this could not be "
    "verified: copy it by a job whose cancel is fast"
)


def needs_part_sizes(head: ObjectHead) -> bool:
    """Tell whether the sizes of the source's upload parts are needed. A multipart-born source without a full-object
    checksum can be verified only if the copy has the same part boundaries."""
    has_full_checksum = head.facts.checksum is not None and head.facts.checksum.type is ChecksumType.FULL_OBJECT
    return not has_full_checksum and bool(etag_parts(head.facts.etag))
