"""Publish a large row by a multipart copy that any worker of either Region can continue.

The upload is registered (`core.registers`) before its first upload part is copied. So a successor adopts it, keeps the
upload parts that are there, and copies only the rest. ListParts decides which upload parts are there; HEAD decides the
outcome.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib.core.errors import (
    Conflict,
    EftError,
    NoSuchUpload,
    NotAsked,
    NotFound,
    Permanent,
    PreconditionFailed,
    Retry,
    Unsettled,
)
from chalicelib.core.ids import object_id, parent_of
from chalicelib.core.manifests import Manifest
from chalicelib.core.objects import Bucket, Checksum, ChecksumType
from chalicelib.core.parts import PartRange, PartShare, part_ranges, parts_total, shares_of
from chalicelib.core.registers import Mark, Registration, read_register
from chalicelib.core.rows import Outcome, Row, RowOutcome
from chalicelib.core.verdict import is_pinned
from chalicelib.ports import CopyUploadParts, ObjectStore, Part, UploadRef, Written
from chalicelib.protocol.publish import Publisher, cancelled_row

HELP_WAIT_MS = 15_000
"""How long the owner waits for a further upload part before it copies the rest itself, in ms. A part of 5 GiB takes
about as long."""
INVALID_PART = "InvalidPart"
"""S3's error code if a part that Complete names isn't there, or has another ETag. Under SSE-KMS, the same bytes sent
again have another ETag."""


def upload_name(manifest: Manifest, index: int) -> str:
    """Return `<partition>/<row index>`, under which a row's uploads are registered.

    A row that is set aside keeps its name. So its next worker continues with the upload parts that were copied, and a
    strict cancel also revokes the uploads of its earlier workers.
    """
    return (
        f"{parent_of(manifest.partition_id)}/{manifest.aside[index]}"
        if manifest.aside
        else f"{manifest.partition_id}/{index}"
    )


def abort_registered(
    store: ObjectStore, destination: tuple[Bucket, str], generations: Mapping[int, Registration], job_id: str, name: str
) -> None:
    """Abort every upload to a destination (bucket, key) that its register shows under a row of a job
    (`upload_name`)."""
    bucket, key = destination
    for registration in generations.values():
        if registration.mark is Mark.UPLOAD and (registration.job_id, registration.row) == (job_id, name):
            store.abort(UploadRef(bucket, key, registration.upload_id))


@dataclass(frozen=True, slots=True)
class MultipartPublisher:
    """Carries out one large row. `name` is the row's name in the register of uploads (`upload_name`), `row_name` is its
    current `<partition>/<index>`."""

    publisher: Publisher
    row: Row
    name: str
    row_name: str

    @property
    def _register_id(self) -> str:
        return object_id(self.publisher.route.target.bucket.name, self.row.target)

    def large(self, *, look_first: bool) -> RowOutcome:
        last = self.publisher.env.policy.attempts - 1
        return self.publisher.persist(
            self.row, lambda attempt: self._once(look=look_first or attempt > 0, last=attempt == last)
        )

    def cancel(self) -> RowOutcome:
        """Cancel the row: close the register, so that no further upload can be registered; abort the registered
        uploads; then HEAD the destination.

        A worker that still copies finds its upload gone. If it completed before the abort, HEAD shows that: COPIED.
        """
        return self.publisher.persist(self.row, lambda _: self._cancel_once())

    def _cancel_once(self) -> RowOutcome | None:
        publisher = self.publisher
        generations = publisher.control.register(self._register_id)
        register = read_register(generations, publisher.route.job_id, self.name)
        if not register.closed:
            closed = Registration(Mark.CLOSED, publisher.route.job_id, self.name, "", publisher.env.ids.nonce())
            if not publisher.control.registered(self._register_id, register.next_generation, closed):
                return None  # Another worker registered an upload meanwhile: read again, so that it is aborted too.
        # Crash here: the register is closed, and the upload is still open. The next epoch finds the register closed and
        # gets here again.
        self._abort_all(generations)
        return publisher.look(self.row) or cancelled_row(self.row)

    def abandon(self) -> None:
        """Abort the row's registered uploads, which nobody needs any more: the object is at the destination without
        them. Another job, or an earlier request, has written it.

        Verification aborts the uploads of rows with any other outcome. If an abort fails, the sweep repeats it when the
        upload is old.
        """
        try:
            self._abort_all(self.publisher.control.register(self._register_id))
        except EftError as error:
            self.publisher.env.log("abort-failed", job=self.publisher.route.job_id, key=self.row.key, error=str(error))

    def _abort_all(self, generations: Mapping[int, Registration]) -> None:
        route = self.publisher.route
        destination = (route.target.bucket, self.row.target)
        abort_registered(self.publisher.env.store, destination, generations, route.job_id, self.name)

    def _once(self, *, look: bool, last: bool) -> RowOutcome | None:
        result = self._attempt(look=look, last=last)
        if isinstance(result, Written):
            # Crash here: the object is published, and no record says so. A successor finds NoSuchUpload, looks, and
            # decides COPIED.
            return self.publisher.published(self.row, result)
        if result is not None and result.outcome is Outcome.COPIED:
            # Crash here: the row's upload stays open. The sweep aborts it when it is old.
            self.abandon()
        return result

    def _attempt(self, *, look: bool, last: bool) -> Written | RowOutcome | None:
        """Return Written if this attempt published the object, the row's outcome if it is decided otherwise, and None
        to be called again."""
        if look and (decided := self.publisher.look(self.row)) is not None:
            return decided
        job_id = self.publisher.route.job_id
        register = read_register(self.publisher.control.register(self._register_id), job_id, self.name)
        if register.closed:
            # The worker that closed it may not have aborted yet. Without the abort, an earlier worker's Complete could
            # still publish after this row got a receipt that says CANCELLED (protocol model: CLOSED_NO_ABORT).
            return self._cancel_once()
        upload, uploaded = self._adopt(register.upload_id)
        try:
            if upload is None:
                if register.upload_id is not None and (decided := self.publisher.look(self.row)) is not None:
                    # NoSuchUpload doesn't say completed or aborted. HEAD again AFTER it, before a new generation:
                    # without this the same bytes would be published twice (protocol model: NOREHEAD).
                    return decided
                upload = self._begin(register.next_generation)
                if upload is None:
                    return None
            parts = self._copy_parts(upload, uploaded)
            return self._complete(upload, parts)
        except NoSuchUpload:
            return None  # Completed by another worker, or aborted: the next attempt looks.
        except (PreconditionFailed, NotFound) as error:
            return self.publisher.refusal(self.row, error)
        except Permanent as error:
            if error.code == INVALID_PART and not last:
                return None  # A superseded worker has just sent a part again: the next attempt lists the current parts.
            raise

    def _adopt(self, upload_id: str | None) -> tuple[UploadRef | None, dict[int, Part]]:
        """Return the registered upload and its parts that are uploaded, or (None, {}) if the upload no longer
        exists."""
        if upload_id is None:
            return None, {}
        upload = UploadRef(self.publisher.route.target.bucket, self.row.target, upload_id)
        try:
            return upload, {part.number: part for part in self.publisher.env.store.list_parts(upload)}
        except NoSuchUpload:
            return None, {}

    def _begin(self, generation: int) -> UploadRef | None:
        """Create an upload and register it under a generation that was fixed before. Return None if another worker
        registered first. Raises PreconditionFailed or NotFound if the source is no longer the pinned one."""
        env, route, row = self.publisher.env, self.publisher.route, self.row
        version_id = None if route.newest else row.version_id
        head = env.store.head(route.source.bucket, row.key, version_id=version_id, if_match=row.source_etag)
        if head is None:
            raise NotFound("SourceGone", row.key)
        if route.newest and not is_pinned(row, head.facts):
            raise PreconditionFailed("NewerVersion", row.key)
        tags = env.store.tags(route.source.bucket, row.key, row.version_id) if head.tags_count else {}
        # If the row pins a full-object checksum, the copy uses the same algorithm, and Complete compares.
        full_checksum = row.checksum if row.checksum and row.checksum.type is ChecksumType.FULL_OBJECT else None
        placement = route.placement(row)
        upload = env.store.create_upload(
            route.target.bucket,
            row.target,
            head.properties,
            tags,
            placement,
            full_checksum.algorithm if full_checksum else None,
        )
        # Crash here: no record names the upload. When it is old, the sweep fences it with a TOMBSTONE and aborts it.
        registration = Registration(Mark.UPLOAD, route.job_id, self.name, upload.upload_id, env.ids.nonce())
        if self.publisher.control.registered(self._register_id, generation, registration):
            return upload
        # This upload is our own and was never shared: no other worker can be using it. Crash here: as above.
        env.store.abort(upload)
        return None

    def help(self, share: PartShare, tick: Callable[[], None]) -> None:
        """Copy a share of the upload parts for the worker that holds the partition.

        It needs no claim: nothing is published, and a part copied twice is the same part. If anything goes wrong, the
        owner finds the parts missing.
        """
        publisher = self.publisher
        generations = publisher.control.register(self._register_id)
        register = read_register(generations, publisher.route.job_id, self.name)
        upload, uploaded = self._adopt(None if register.closed else register.upload_id)
        if upload is None:
            return
        _, missing = self._present_and_missing(uploaded)
        ranges = [part_range for part_range in missing if share.takes(part_range.number)]
        publisher.env.log(
            "parts-helped", job=publisher.route.job_id, key=self.row.key, share=str(share), parts=len(ranges)
        )
        try:
            publisher.env.part_pool.map(lambda part_range: self._copy_part(upload, part_range), ranges, tick)
        except (NoSuchUpload, PreconditionFailed, NotFound) as error:
            publisher.env.log("help-not-needed", job=publisher.route.job_id, key=self.row.key, error=str(error))

    def _copy_parts(self, upload: UploadRef, uploaded: dict[int, Part]) -> list[Part]:
        """Copy the missing upload parts, together with helpers if they are many. Return all parts of the object."""
        present, missing = self._present_and_missing(uploaded)
        if uploaded:
            self.publisher.env.log(
                "upload-adopted",
                job=self.publisher.route.job_id,
                key=self.row.key,
                kept=len(present),
                missing=len(missing),
            )
        if len(missing) > self.publisher.env.policy.parts_per_worker:
            return self._copy_together(upload, missing)
        copied = self.publisher.env.part_pool.map(lambda part_range: self._copy_part(upload, part_range), missing)
        parts = {**present, **{part.number: part for part in copied}}
        return [parts[number] for number in sorted(parts)]

    def _present_and_missing(self, uploaded: dict[int, Part]) -> tuple[dict[int, Part], list[PartRange]]:
        """Return the upload parts that are present, and the ranges that are missing. A part of the planned size counts
        as present: it was copied under the same pinned source ETag, by the same plan."""
        assert self.row.parts is not None, "a multipart row has a part plan"
        ranges = list(part_ranges(self.row.parts))
        present = {
            part_range.number: uploaded[part_range.number]
            for part_range in ranges
            if part_range.number in uploaded and uploaded[part_range.number].size == part_range.size
        }
        return present, [part_range for part_range in ranges if part_range.number not in present]

    def _copy_together(self, upload: UploadRef, missing: list[PartRange]) -> list[Part]:
        """Send tasks to helpers, copy the owner's share, then copy the parts that helpers don't copy. ListParts decides
        which parts are there."""
        env, policy = self.publisher.env, self.publisher.env.policy
        partition_id, _, index = self.row_name.rpartition("/")
        own, *others = shares_of(int(index), len(missing), policy.parts_per_worker, policy.workers_per_object)
        job_id, region = self.publisher.route.job_id, self.publisher.control.region
        tenant = self.publisher.route.target.tenant
        try:
            env.queue.send([CopyUploadParts(job_id, region, partition_id, other, tenant) for other in others])
        except Retry as error:
            # A queue that doesn't answer says nothing about the row, so it must not cost the row a round.
            env.log("help-tasks-not-sent", job=job_id, key=self.row.key, error=str(error))
        # If a helper never starts, or dies, its parts are found missing below. If a task is delivered twice, some parts
        # are copied twice.
        to_copy = [part_range for part_range in missing if own.takes(part_range.number)]
        while True:
            env.part_pool.map(lambda part_range: self._copy_part(upload, part_range), to_copy)
            present, missing = self._await_helpers(upload)
            if not missing:
                return [present[number] for number in sorted(present)]
            to_copy = missing[: policy.parts_per_worker]

    def _await_helpers(self, upload: UploadRef) -> tuple[dict[int, Part], list[PartRange]]:
        """Wait while helpers copy upload parts. Return when all parts are there, or when none has been added for
        `HELP_WAIT_MS`."""
        missing_before = -1
        while True:
            uploaded = {part.number: part for part in self.publisher.env.store.list_parts(upload)}
            present, missing = self._present_and_missing(uploaded)
            if not missing or len(missing) == missing_before:
                return present, missing
            if 0 <= len(missing) < missing_before:
                self.publisher.notes.note_part_copied()
            missing_before = len(missing)
            self.publisher.check()
            self.publisher.env.clock.sleep_ms(HELP_WAIT_MS)

    def _copy_part(self, upload: UploadRef, part_range: PartRange) -> Part:
        """Make one UploadPartCopy. Repeat it while S3 answers with retryable errors: copying a part twice is harmless.
        Raises Unsettled if no attempt succeeds."""
        publisher = self.publisher
        assert self.row.parts is not None, "a multipart row has a part plan"
        whole = parts_total(self.row.parts) == 1
        source = publisher.route.source_ref(self.row)
        for attempt in range(publisher.env.policy.attempts):
            publisher.check()
            try:
                part = publisher.env.store.upload_part_copy(
                    upload, part_range.number, source, part_range.first_byte, part_range.last_byte, whole=whole
                )
                publisher.notes.note_part_copied()
                return part
            except NotAsked:
                raise
            except Retry as error:
                publisher.notes.note_error(error, of_part=True)
                publisher.env.log("part-retry", key=self.row.key, part=part_range.number, error=str(error))
                publisher.pause(attempt)
        raise Unsettled("Unsettled", f"part {part_range.number} of {self.row.key} could not be copied")

    def _complete(self, upload: UploadRef, parts: list[Part]) -> Written | RowOutcome:
        """Complete the upload, unless the row must not be published any more: then return its outcome. Raises Conflict
        if the upload is spent."""
        publisher, row = self.publisher, self.row
        publisher.check()
        if (stop := publisher.not_any_more(row)) is not None:
            # CompleteMultipartUpload has no precondition on the source; this check comes closest to one. A change after
            # it is noticed by the verification of this delivery. The newest version is delivered then.
            return stop
        checksum: Checksum | None = row.checksum
        if checksum and checksum.type is not ChecksumType.FULL_OBJECT:
            checksum = None
        try:
            return publisher.env.store.complete(upload, parts, row.expected_target_etag, row.size, checksum)
        except Conflict:
            # The upload is spent. Mark it as dead, so that no worker continues with it, and begin the next generation.
            # Crash here: the upload stays registered. A successor's Complete is answered by 409 or NoSuchUpload again,
            # and the successor gets here.
            dead = Registration(
                Mark.DEAD, publisher.route.job_id, self.name, upload.upload_id, publisher.env.ids.nonce()
            )
            register = read_register(publisher.control.register(self._register_id), dead.job_id, self.name)
            if publisher.control.registered(self._register_id, register.next_generation, dead):
                # Crash here: the upload is marked as dead, and still open. The sweep aborts it when it is old.
                publisher.env.store.abort(upload)
            # Otherwise another record took that generation. Complete will answer 409 again, and the mark is tried
            # again.
            raise
