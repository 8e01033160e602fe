"""Publish one row. This is the only code that writes at a destination.

Every publish is ONE atomic conditional request whose condition was pinned when the row was planned. No answer is
trusted except a plain success: after a timeout, a 5xx, a 409 or a 412, HEAD of the destination decides.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.errors import (
    Archived,
    Denied,
    EftError,
    NoSuchBucket,
    NotAsked,
    NotFound,
    Permanent,
    PreconditionFailed,
    Retry,
    Unsettled,
)
from chalicelib.core.identity import Match, compare_checksums, recognise
from chalicelib.core.jobs import JobKind, JobSpec
from chalicelib.core.retry import backoff_ms
from chalicelib.core.rows import Method, Outcome, Row, RowOutcome, Verification
from chalicelib.core.verdict import Undecided, is_pinned, pinned_source, verdict
from chalicelib.ports import Env, Placement, SourceRef, Written
from chalicelib.protocol.delivered import NO_DELIVERIES, TAKEN_AWAY, JobDeliveries
from chalicelib.protocol.poison import outcome_of
from chalicelib.protocol.records import ControlRecords


@dataclass(frozen=True, slots=True)
class Route:
    """The source and target of rows, and the job under whose name their uploads are registered."""

    job_id: str
    source: Endpoint
    target: Endpoint
    for_ever: Callable[[], str] = str
    """Returns why objects that are deleted at the target could not be brought back, if nobody consented to that; then
    nothing is deleted. Otherwise it returns ""."""
    newest: bool = False
    """True for a feed: a row is copied only while the version that it pins is the newest
    (docs/adr/0023-feed-deliveries.md)."""

    @classmethod
    def of(cls, spec: JobSpec) -> "Route":
        return cls(spec.job_id, spec.source, spec.target, newest=spec.kind is JobKind.FEED)

    def source_ref(self, row: Row) -> SourceRef:
        """Return the source of a copy. For feeds it has no VersionId: CopySourceIfMatch then compares with the newest
        version, in the copy request itself."""
        return SourceRef(self.source.bucket, row.key, row.source_etag, None if self.newest else row.version_id)

    def placement(self, row: Row) -> Placement:
        return Placement(row.storage_class, self.target.kms_key, row.redirect)


class RowNotes(Protocol):
    """Receives what a publisher observes about a row: why it stays undecided."""

    def note_error(self, error: EftError, *, of_part: bool = False) -> None:
        """Note the error of a fruitless try: of the row, or, if `of_part`, of one of its upload parts."""
        ...

    def note_part_copied(self) -> None:
        """Note that an upload part of the row is copied."""
        ...


class _NoNotes:
    """Ignores all notes."""

    def note_error(self, error: EftError, *, of_part: bool = False) -> None: ...
    def note_part_copied(self) -> None: ...


NO_NOTES = _NoNotes()


@dataclass(frozen=True, slots=True)
class Publisher:
    """Carries out rows by CopyObject. The multipart copy uses its other methods, too."""

    env: Env
    control: ControlRecords
    route: Route
    check: Callable[[], None]
    """Called between requests. It raises (OutOfTime, Superseded, ...) to stop the work."""
    notes: RowNotes = NO_NOTES
    """Receives the errors of fruitless tries."""
    deliveries: JobDeliveries = NO_DELIVERIES
    """For a feed job: which rows are delivered already."""

    def small(self, row: Row, *, look_first: bool, planned_now: bool = False) -> RowOutcome:
        """Publish a row by one CopyObject. Pass `look_first` unless no other worker can have tried this row before
        (first epoch)."""
        return self.persist(
            row, lambda attempt: self._small_once(row, look=look_first or attempt > 0, planned_now=planned_now)
        )

    def _small_once(self, row: Row, *, look: bool, planned_now: bool) -> RowOutcome | None:
        if look and (decided := self.look(row)) is not None:
            return decided
        if not planned_now and (stop := self.not_any_more(row)) is not None:
            return stop
        target = self.route.target.bucket
        try:
            written = self.env.store.copy(
                self.route.source_ref(row), target, row.target, row.expected_target_etag, self.route.placement(row)
            )
        except (PreconditionFailed, NotFound) as error:
            return self.refusal(row, error)
        # Crash here: the object is published, and no record says so. The next epoch's HEAD finds it: COPIED.
        return self.published(row, written)

    def not_any_more(self, row: Row) -> RowOutcome | None:
        """Return None if the row is still to be published, or else its outcome. It matters for a feed's row that may
        have waited for long.

        If the receiver removes files, nothing at the destination would stop an older version, or the same version a
        second time. The destination's ETag would not stop it either, if a newer version has the same contents.
        """
        if not self.route.newest:
            return None
        if (changed := self.source_outcome(row)) is not None:
            return self.look(row) or changed
        if row.expected_target_etag is None and self.deliveries.has(row):
            return self.look(row) or RowOutcome(row.key, Outcome.COPIED, TAKEN_AWAY)
        return None

    def persist(self, row: Row, once: Callable[[int], RowOutcome | None]) -> RowOutcome:
        """Try until the row is decided. `once` gets the attempt (from 0), and returns None to be called again. Raises
        Unsettled if no attempt decides the row."""
        last_error: EftError = Unsettled("LostToOthers", "others were at it each time")
        for attempt in range(self.env.policy.attempts):
            self.check()
            try:
                outcome = once(attempt)
                if outcome is not None:
                    return outcome
                self.notes.note_error(last_error)
            except NotAsked:
                raise  # The dependency has stopped answering: a waiting row must hold no worker and no permit.
            except Retry as error:
                # The publish may have happened or not: the next attempt begins with a HEAD.
                last_error = error
                if not isinstance(error, Unsettled):  # It is an upload part's error, noted where it happened.
                    self.notes.note_error(error)
                self.env.log("publish-retry", job=self.route.job_id, key=row.key, attempt=attempt, error=str(error))
            except (Denied, Archived, NoSuchBucket, Permanent) as error:
                return refused(row, error)
            self.pause(attempt)
        # This is not a fact about the row. The partition is released and tried again later, so that a storm loses
        # nothing.
        tries = self.env.policy.attempts
        raise Unsettled("Unsettled", f"{row.key} is still undecided after {tries} tries: {last_error}")

    def look(self, row: Row) -> RowOutcome | None:
        """HEAD the destination and decide the row. Return None while it is undecided."""
        head = self.env.store.head(self.route.target.bucket, row.target)
        destination = head.facts if head else None
        decided = verdict(row, destination)
        if isinstance(decided, Undecided):
            return None
        if (
            destination is not None
            and row.checksum is None
            and recognise(pinned_source(row), destination) is Match.UNKNOWN
        ):
            # The row was planned from LIST, which shows no checksums, and the ETags can't agree (SSE-KMS). Without the
            # source's checksum, our own earlier copy would be taken for somebody else's object.
            decided = verdict(with_checksum(self.env, self.route.source, row), destination)
        return None if isinstance(decided, Undecided) else decided

    def refusal(self, row: Row, error: EftError) -> RowOutcome:
        """Decide a row after S3 answered 412 or 404.

        S3 doesn't say which side failed, and after a publish of our own it answers 412 too. So the destination is
        checked first. It is checked once more if the source has changed: another worker may have published this row in
        between, and the source may have changed only after that. Raises Retry if both sides are as planned: the refusal
        then says nothing, and the row is tried again.
        """
        decided = self.look(row)
        if decided is None and (changed := self.source_outcome(row)) is not None:
            return self.look(row) or changed
        return decided or refused_as_planned(row, error)

    def source_outcome(self, row: Row) -> RowOutcome | None:
        """Return None if the source is still the pinned one, or else the row's outcome."""
        version_id = None if self.route.newest else row.version_id
        head = self.env.store.head(self.route.source.bucket, row.key, version_id=version_id)
        if head is None:
            return RowOutcome(row.key, Outcome.SOURCE_GONE, "deleted after it was planned")
        if self.route.newest and not is_pinned(row, head.facts):
            detail = f"a newer version was there than was planned: its ETag is {head.facts.etag}"
            return RowOutcome(row.key, Outcome.SOURCE_CHANGED, detail)
        if head.facts.etag != row.source_etag:
            detail = f"overwritten after it was planned: its ETag is now {head.facts.etag}"
            return RowOutcome(row.key, Outcome.SOURCE_CHANGED, detail)
        return None

    def published(self, row: Row, written: Written) -> RowOutcome:
        """Return the outcome of a successful publish, with the proof that the copy is the source. If ETags can't agree
        (a multipart-born source, SSE-KMS), the proof is the checksums of both sides. Verification checks again,
        independently."""
        outcome = RowOutcome(row.key, Outcome.COPIED, "", written.etag, written.version_id)
        if written.etag == row.source_etag:
            return replace(outcome, verification=Verification.ETAG)
        if compare_checksums(row.checksum, written.checksum):
            return replace(outcome, checksum=written.checksum, verification=Verification.CHECKSUM)
        try:
            source_head = self.env.store.head(
                self.route.source.bucket, row.key, version_id=row.version_id, if_match=row.source_etag
            )
            target_head = self.env.store.head(self.route.target.bucket, row.target)
        except EftError as error:
            self.env.log("compare-failed", job=self.route.job_id, key=row.key, error=str(error))
            return outcome  # The publish is not in doubt, and verification makes its own check.
        if source_head and target_head and target_head.facts.etag == written.etag:
            match = recognise(source_head.facts, target_head.facts)
            if match is Match.SAME_BY_CHECKSUM:
                return replace(outcome, checksum=target_head.facts.checksum, verification=Verification.CHECKSUM)
        return outcome

    def pause(self, attempt: int) -> None:
        policy = self.env.policy
        wait_ms = backoff_ms(attempt, policy.backoff_base_ms, policy.backoff_max_ms, self.env.rng.uniform())
        self.env.clock.sleep_ms(wait_ms)


def with_checksum(env: Env, source: Endpoint, row: Row) -> Row:
    """Return the row with the pinned source's checksum, if that source is still there and has one. Otherwise return the
    row as it is."""
    try:
        head = env.store.head(source.bucket, row.key, version_id=row.version_id, if_match=row.source_etag)
    except Retry:
        raise
    except EftError:
        return row
    return replace(row, checksum=head.facts.checksum) if head else row


def cancelled_row(row: Row) -> RowOutcome:
    return RowOutcome(
        row.key,
        Outcome.CANCELLED,
        f"the job was cancelled before this was {'deleted' if row.method is Method.DELETE else 'copied'}",
    )


def refused_as_planned(row: Row, error: EftError) -> NoReturn:
    raise Retry("RefusedAsPlanned", f"S3 refuses it ({error}), and shows both sides of {row.key} as planned")


def refused(row: Row, error: EftError) -> RowOutcome:
    """Return the outcome of a row that AWS refuses for good, with AWS's own words."""
    return RowOutcome(row.key, outcome_of(error), str(error))
