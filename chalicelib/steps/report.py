"""The report step makes the files that show the owner of a settled job the outcome of each object.

A report is made on request, triggered by a message to split, from the job's manifests and receipts. It is made piece by
piece, with a few partitions in memory at a time, and S3 joins the pieces. Reports are deterministic and create-only. So
any worker may make one, any number of times and in either Region, and the next worker continues after the last piece.
Work that a crash leaves undone is done by the next request, or by the message when it comes again.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from chalicelib.core.errors import (
    Corrupt,
    EftError,
    ErrorCode,
    NoSuchUpload,
    NotFound,
    NotYet,
    PreconditionFailed,
    Retry,
)
from chalicelib.core.jobs import JobSpec, ReportMade, Terminal
from chalicelib.core.leases import Observation
from chalicelib.core.objects import Properties
from chalicelib.core.report import CONTENT_TYPES, Rendered, ReportFormat, file_name, opening, render
from chalicelib.ports import Env, MakeReport, Part, Placement, SourceRef
from chalicelib.protocol.jobs import find_job
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.reports import Draft, Piece, ReportRecords
from chalicelib.protocol.table import put_best_effort

LINK_S = 900
"""How long a link is valid, in seconds. It is meant for the client that just asked for it; another request gives a new
link."""
ASK_AGAIN_MS = 120_000
"""A report that was not ordered or worked on for so long, in milliseconds, is ordered again. This is longer than a
maker's run."""
RUN_MS = 60_000
"""How long a worker makes pieces before it leaves split to others, in milliseconds. The queue also holds the planning
of other jobs."""
RESERVE_MS = 30_000
LOST = (PreconditionFailed, NoSuchUpload, NotFound)
"""Errors that mean that somebody else was faster: another maker, or the lifecycle rule."""
PARTITIONS_IN_MEMORY = 8
PIECES_IN_MEMORY = 4


@dataclass(frozen=True, slots=True)
class ReportView:
    """A finished report with a link to it."""

    made: ReportMade
    end: Terminal
    url: str
    expires_ms: int


def fetch(env: Env, tenant: str, job_id: str, report_format: ReportFormat) -> ReportView | None:
    """Return a link to the report, or None if it is being made. Raises NotYet if the job is not settled."""
    spec, items = find_job(env, tenant, job_id)
    control = ControlRecords(env, spec.control_region)
    terminal = items.terminal or control.job(job_id).terminal()
    if terminal is None:
        raise NotYet(ErrorCode.JOB_NOT_SETTLED, f"{job_id} is not settled yet")
    report_made = ReportRecords(control, job_id, report_format).made()
    if report_made is None:
        _order(env, spec, report_format)
        return None
    url = env.store.presign(
        control.bucket,
        ReportRecords(control, job_id, report_format).whole,
        expires_s=LINK_S,
        file_name=file_name(job_id, report_format),
        content_type=CONTENT_TYPES[report_format],
    )
    return ReportView(report_made, terminal, url, env.clock.now_ms() + LINK_S * 1000)


def _order(env: Env, spec: JobSpec, report_format: ReportFormat) -> None:
    """Have the report made, unless this Region ordered it a short time ago."""
    note = _note(env, spec.job_id, report_format)
    earlier_note = env.ledger.get_observation(spec.job_id, note.subject, env.region)
    if earlier_note is not None and note.since_ms - earlier_note.since_ms < ASK_AGAIN_MS:
        return
    env.queue.send([MakeReport.of(spec, report_format)])
    # Crash here: the report is ordered, but the order is not noted. The next request orders it again, which is
    # harmless.
    env.ledger.put_observation(note)
    env.log("report-ordered", job=spec.job_id, report=report_format)


@dataclass(frozen=True, slots=True)
class _Ordered:
    """A report is being made."""

    report: ReportFormat


def _note(env: Env, job_id: str, report_format: ReportFormat) -> Observation:
    """Return a note that this Region is making the report now, so that requests in the meantime need not order it."""
    return Observation.of(job_id, f"report-{report_format}", env.region, _Ordered(report_format), env.clock.now_ms())


def run(env: Env, task: MakeReport, deadline_ms: int) -> None:
    """Make a report, or continue one."""
    job_id, report_format = task.job_id, task.format
    control = ControlRecords(env, task.control_region)
    records = control.job(job_id)
    spec = records.spec()
    if spec is None or records.terminal() is None:
        env.log("report-nothing-to-do", job=job_id, report=report_format)
        return
    reports = ReportRecords(control, job_id, report_format)
    if reports.made() is None:
        # Crash here, or no answer from the table: the report is ordered once more, which is harmless.
        put_best_effort(env, env.ledger.put_observation, _note(env, job_id, report_format))
        _Maker(env, records, spec, reports, min(deadline_ms - RESERVE_MS, env.clock.now_ms() + RUN_MS)).make()


@dataclass(frozen=True, slots=True)
class _Maker:
    env: Env
    records: JobRecords
    spec: JobSpec
    reports: ReportRecords
    until_ms: int

    def make(self) -> None:
        last_piece = self._write_pieces()
        if last_piece is None:
            # Crash before the send: the message that brought us here comes again by itself, later.
            self.env.queue.send([MakeReport.of(self.spec, self.reports.format)])
            return
        report_made = self._small(last_piece) if last_piece.ordinal == 1 else self._large(last_piece)
        # Crash here: the report is complete, but not recorded as made. The next maker finds it complete, and records
        # it.
        self.reports.create_made(report_made)
        self.env.log(
            "report-made",
            job=report_made.job_id,
            report=report_made.format,
            rows=report_made.rows,
            bytes=report_made.bytes,
        )

    def _write_pieces(self) -> Draft | None:
        """Write all missing pieces except the last one, and return the last one as a draft. Return None if there was no
        time for all of them."""
        draft = self._last_draft()
        for partition_id, rendered in self._rendered(draft.upto):
            draft = draft.and_then(partition_id, rendered)
            full = len(draft.body) >= self.env.policy.report_piece_bytes
            if full:
                self.reports.create_piece(draft)
                # Crash here: the next maker goes on after this piece.
                draft = draft.next()
            if self.env.clock.now_ms() >= self.until_ms:
                if not full:
                    # Crash before this, or after it: the next maker goes on from where somebody last left off.
                    self.reports.create_carry(draft)
                return None
        return draft

    def _last_draft(self) -> Draft:
        """Return the draft at which the last maker stopped."""
        pieces = self.reports.pieces()
        upto = pieces[-1].upto if pieces else ""
        start = b"" if pieces else opening(self.reports.format)
        return self.reports.carried(len(pieces) + 1) or Draft(len(pieces) + 1, start, 0, upto)

    def _rendered(self, after: str) -> Iterator[tuple[str, Rendered]]:
        """Yield what each partition after `after` adds to the report. Read a few partitions at a time, in parallel."""
        receipts = self.records.receipts_after(after)
        while batch := list(islice(receipts, PARTITIONS_IN_MEMORY)):
            yield from zip(batch, map(self._render, batch, self.env.pool.map(self._read, batch)), strict=True)

    def _read(self, partition_id: str) -> tuple[bytes, bytes]:
        manifest, receipt = self.records.entry_bytes(partition_id), self.records.receipt_bytes(partition_id)
        if manifest is None or receipt is None:
            raise Corrupt(
                "RecordVanished", f"{self.spec.job_id}: {partition_id} has no manifest, or its receipt is gone"
            )
        return manifest, receipt

    def _render(self, partition_id: str, bodies: tuple[bytes, bytes]) -> Rendered:
        try:
            return render(self.reports.format, self.spec.source.bucket.name, *bodies)
        except ValueError as error:
            raise Corrupt("ReceiptDiffers", f"{self.spec.job_id}: {partition_id}: {error}") from error

    # --- the whole report -------------------------------------------------------------------------------------

    def _small(self, last_piece: Draft) -> ReportMade:
        """Write a report that fits into one piece directly, without joining pieces."""
        self.reports.create_whole(last_piece.body)
        return self._made(last_piece.rows, len(last_piece.body), hashlib.sha256(last_piece.body).hexdigest())

    def _large(self, last_piece: Draft) -> ReportMade:
        if last_piece.body:
            self.reports.create_piece(last_piece)
        # Crash here: the next maker finds every piece there, and joins them.
        pieces = self.reports.pieces()
        if not self.reports.is_whole():
            self._join(pieces)
        size = sum(piece.size for piece in pieces)
        digest = self._digest(pieces) if size <= self.env.policy.report_digest_max_bytes else ""
        return self._made(sum(piece.rows for piece in pieces), size, digest)

    def _join(self, pieces: Sequence[Piece]) -> None:
        """Join the pieces by a multipart upload whose upload parts S3 copies from the pieces."""
        store, bucket = self.env.store, self.reports.bucket
        upload = store.create_upload(bucket, self.reports.whole, Properties(), {}, Placement(), None)
        # Crash here, or anywhere below: nothing of the upload is visible, the bucket's lifecycle rule aborts it in a
        # week, and the next maker begins an upload of its own.

        def copy_piece(numbered: tuple[int, Piece]) -> Part:
            number, piece = numbered
            source = SourceRef(bucket, piece.key, piece.etag)
            return store.upload_part_copy(upload, number, source, 0, piece.size - 1, whole=True)

        try:
            parts = self.env.pool.map(copy_piece, enumerate(pieces, start=1))
            store.complete(upload, parts, None, sum(piece.size for piece in pieces), None)
        except EftError as error:
            # Perhaps another maker was faster, or this very Complete took effect; then the report is there. If Complete
            # is still under way, the Abort may win, and the report is joined again.
            store.abort(upload)
            if self.reports.is_whole():
                return
            if isinstance(error, LOST):
                raise Retry("ReportNotJoined", str(error)) from error
            raise

    def _digest(self, pieces: Sequence[Piece]) -> str:
        """Return the SHA-256 of the whole report. It is computed from the pieces, a few of which are in memory at a
        time."""
        sha256 = hashlib.sha256()
        for start in range(0, len(pieces), PIECES_IN_MEMORY):
            keys = [piece.key for piece in pieces[start : start + PIECES_IN_MEMORY]]
            for body in self.env.pool.map(lambda key: self.env.store.get(self.reports.bucket, key), keys):
                if body is None:
                    raise Retry("PieceExpired", f"a piece of {self.reports.whole} is gone: it is made again")
                sha256.update(body)
        return sha256.hexdigest()

    def _made(self, rows: int, size: int, digest: str) -> ReportMade:
        return ReportMade(self.spec.job_id, self.reports.format, rows, size, digest)
