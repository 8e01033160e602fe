"""Interprets the register of multipart uploads of one destination object: which upload may be used, and which are dead.

Generations are create-only objects `reg/<object>/<gen>`, shared by all jobs that write this object. A worker fixes its
generation number before it creates an upload, by one LIST. So a tombstone that fills the next generation stops any
worker that has an upload not yet registered (protocol model: TWO_LISTS, GC_NAIVE and TOMBSTONE_SUPERSEDES all break).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.lifecycles import UPLOAD, UploadEvent, UploadState


class Mark(StrEnum):
    UPLOAD = "UPLOAD"
    """This upload may be completed and adopted."""
    TOMBSTONE = "TOMBSTONE"
    """TOMBSTONE, without an upload: it fills the generation so that an unregistered upload can't be registered under
    it."""
    CLOSED = "CLOSED"
    """Cancelled: no further generation for this job."""
    DEAD = "DEAD"
    """`upload_id`, registered earlier, can't be completed any more (409 at Complete)."""


@dataclass(frozen=True, slots=True)
class Registration:
    mark: Mark
    job_id: str
    row: str
    """`<partition>/<row index>`: with the job, it says whose upload this is. Uploads of other rows are never
    adopted."""
    upload_id: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Register:
    """The register as one LIST, and reading the objects that it named, showed it."""

    next_generation: int
    upload_id: str | None
    """The upload to continue: this row's, of the highest generation, unless dead."""
    closed: bool


def upload_state(upload_id: str, generations: Mapping[int, Registration]) -> UploadState:
    """Return the state of an upload that S3 still shows, as its object's register tells it (`core.lifecycles`:
    `UPLOAD`)."""
    registrations = generations.values()
    owner = _owner(upload_id, generations)
    events = [UploadEvent.CREATED]
    if owner is None:
        # A TOMBSTONE that names the upload was written after the upload had been seen. It, or an earlier record, has
        # filled the generation that the creator had fixed before. So the upload can't be registered any more.
        fenced = any(
            registration.mark is Mark.TOMBSTONE and registration.upload_id == upload_id
            for registration in registrations
        )
        return UPLOAD.reached([*events, UploadEvent.FENCED] if fenced else events)
    events.append(UploadEvent.REGISTERED)
    if any(registration.mark is Mark.CLOSED and registration.job_id == owner.job_id for registration in registrations):
        events.append(UploadEvent.CLOSED)
    if any(registration.mark is Mark.DEAD and registration.upload_id == upload_id for registration in registrations):
        events.append(UploadEvent.DEAD)
    return UPLOAD.reached(events)


def _owner(upload_id: str, generations: Mapping[int, Registration]) -> Registration | None:
    """Return the record that registers an upload, or None if there is none."""
    return next(
        (
            registration
            for registration in generations.values()
            if registration.mark is Mark.UPLOAD and registration.upload_id == upload_id
        ),
        None,
    )


def read_register(generations: Mapping[int, Registration], job_id: str, row: str) -> Register:
    own_uploads = [
        (generation, registration)
        for generation, registration in generations.items()
        if registration.job_id == job_id
        and registration.row == row
        and registration.mark is Mark.UPLOAD
        and upload_state(registration.upload_id, generations) is not UploadState.DEAD
    ]
    return Register(
        next_generation=max(generations, default=0) + 1,
        upload_id=max(own_uploads, key=lambda item: item[0])[1].upload_id if own_uploads else None,
        closed=any(
            registration.mark is Mark.CLOSED and registration.job_id == job_id for registration in generations.values()
        ),
    )


class StaleUploadAction(StrEnum):
    """What to do with an open upload that is older than the threshold."""

    KEEP = "KEEP"
    ABORT = "ABORT"
    FENCE = "FENCE"
    """No record registers it: fill the next generation with a TOMBSTONE, look again, and only then abort."""


def judge_upload(
    upload_id: str, generations: Mapping[int, Registration], row_settled: Mapping[str, bool]
) -> StaleUploadAction:
    """Decide about an upload that is older than the threshold and was created by our own role. `row_settled` maps
    "<job>/<row>" to whether its partition has a receipt."""
    state = upload_state(upload_id, generations)
    if state is UploadState.BEGUN:
        return StaleUploadAction.FENCE
    if state in (UploadState.FENCED, UploadState.DEAD):
        return StaleUploadAction.ABORT
    owner = _owner(upload_id, generations)
    assert owner is not None, "an upload in any other state is registered"
    if row_settled.get(f"{owner.job_id}/{owner.row}", False):
        return StaleUploadAction.ABORT
    current = read_register(generations, owner.job_id, owner.row).upload_id
    return StaleUploadAction.KEEP if current == upload_id else StaleUploadAction.ABORT
