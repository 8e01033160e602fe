"""Decides what a job may delete at its target, and when it may delete nothing. These are pure decisions;
`protocol.deletions` carries them out."""

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
    """A job owner's consent to deletions. It is a literal text, so that nobody deletes by a default or by mistake."""

    DELETE = "DELETE-AT-TARGET"
    """In a bucket that keeps versions: deleted objects can be restored."""
    FOR_EVER = "DELETE-AT-TARGET-FOR-EVER"
    """In any bucket, even one from which deleted objects can't be restored."""


class Versioning(StrEnum):
    """A bucket's setting for versions: it decides what stays of an object that is deleted or overwritten (S3 user
    guide, "Retaining multiple versions of objects with S3 Versioning")."""

    ENABLED = "Enabled"
    """Everything stays: a delete puts a delete marker on top."""
    SUSPENDED = "Suspended"
    """The versions written before the suspension stay. Each object written since has the version id "null", of which a
    key has only one: a delete marker replaces it."""
    NEVER = ""
    """Nothing stays."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """A job owner's consent that the job deletes what has no counterpart at the source: at most `max_objects` objects.
    If there are more, none is deleted."""

    max_objects: int
    consent: Consent = Consent.DELETE


def by_globs_alone(filters: Filters) -> bool:
    """Tell whether the filters use the key alone. Only then can they be applied to a key that is not at the source."""
    return filters == Filters(include=filters.include, exclude=filters.exclude)


def finality(versioning: Versioning | None) -> str:
    """Return why a delete in such a bucket can't be undone, or "" if it can be undone. `versioning` is None if the
    bucket doesn't say."""
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
    """Return why none of these objects may be deleted, or "" if all of them may be. `for_ever` says why they could not
    be restored; it is "" if they can be, or if the owner consented to that."""
    if objects > deletion.max_objects:
        return (
            f"{NOTHING}: {_objects(objects)} would be deleted, the cap is {deletion.max_objects}; if they are to go, "
            "submit the job again with a higher max_objects"
        )
    if objects and source_empty:
        return SOURCE_EMPTY
    return f"{NOTHING}: {for_ever}; {CONSENT_NEEDED} in another job" if objects and for_ever else ""


def beneath(prefix: str, others: Iterable[str]) -> tuple[str, ...]:
    """Return those of `others` that lie below `prefix` and differ from it."""
    return tuple(sorted({other for other in others if other != prefix and other.startswith(prefix)}))


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"
