"""What a job may remove at its target, and when it may not. Pure decisions; how it is done: `protocol.deletions`."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.inputs import Filters

OBJECTS_MAX = 1_000_000
NOTHING = "nothing was deleted"
NOT_ALL_DELIVERED = f"{NOTHING}: not every object was delivered; put that right, and submit the job again"
SOURCE_EMPTY = (
    f"{NOTHING}: the source shows none of the objects that this job is about, and a source that has vanished must not "
    "empty its target; put an object there and submit the job again, or empty the target yourself"
)


class Consent(StrEnum):
    """What a job's owner says, literally, so that nobody deletes by a default or by mistake."""

    DELETE = "DELETE-AT-TARGET"
    """Where the bucket keeps versions: what is deleted can be brought back."""
    FOR_EVER = "DELETE-AT-TARGET-FOR-EVER"
    """Also where nothing brings it back."""


class Versioning(StrEnum):
    """What a bucket keeps of what is deleted or overwritten (S3 user guide, "Retaining multiple versions of objects
    with S3 Versioning")."""

    ENABLED = "Enabled"
    """All of it: a delete marker is put on top."""
    SUSPENDED = "Suspended"
    """What was written before that. All else has the version id "null", of which a key has one: a delete marker takes
    its place."""
    NEVER = ""
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """A job's owner consents that it removes what has no counterpart at the source: at most so many objects, or none at
    all."""

    max_objects: int
    consent: Consent = Consent.DELETE


def by_globs_alone(filters: Filters) -> bool:
    """Can it be told of a key that isn't at the source whether the filter means it?"""
    return filters == Filters(include=filters.include, exclude=filters.exclude)


def finality(versioning: Versioning | None) -> str:
    """Say why a delete in such a bucket can't be undone; "" where it can. None: the bucket doesn't say."""
    match versioning:
        case Versioning.ENABLED:
            return ""
        case Versioning.SUSPENDED:
            return "the target bucket's versioning is suspended, so what is deleted there is gone for ever"
        case Versioning.NEVER:
            return "the target bucket keeps no versions, so what is deleted there is gone for ever"
        case None:
            return (
                "the target bucket doesn't say whether it keeps versions (allow s3:GetBucketVersioning for the "
                "service's roles), so what is deleted there may be gone for ever"
            )


CONSENT_NEEDED = f"turn its versioning on, or send the consent {Consent.FOR_EVER}"


def refusal(deletion: Deletion, objects: int, *, source_empty: bool, for_ever: str = "") -> str:
    """Why none of these objects is to be deleted; "" if they all may be. `for_ever`: why they could not be brought
    back, if nobody consented to that."""
    if objects > deletion.max_objects:
        return (
            f"{NOTHING}: {_objects(objects)} would be deleted, the cap is {deletion.max_objects}; if they are to go, "
            "submit the job again with a higher max_objects"
        )
    if objects and source_empty:
        return SOURCE_EMPTY
    return f"{NOTHING}: {for_ever}; {CONSENT_NEEDED} in another job" if objects and for_ever else ""


def beneath(prefix: str, others: Iterable[str]) -> tuple[str, ...]:
    """Those of `others` that lie below `prefix`, and are not the same."""
    return tuple(sorted({other for other in others if other != prefix and other.startswith(prefix)}))


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"
