"""What a job may remove at its target, and when it may not. Pure decisions; how it is done: `protocol.deletions`."""

from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.core.inputs import Filters

OBJECTS_MAX = 1_000_000
NOTHING = "nothing was deleted"
NOT_ALL_DELIVERED = f"{NOTHING}: not every object was delivered; put that right, and submit the job again"
SOURCE_EMPTY = (
    f"{NOTHING}: the source shows none of the objects that this job is about, and a source that has vanished must not "
    "empty its target; put an object there and submit the job again, or empty the target yourself"
)


@dataclass(frozen=True, slots=True)
class Deletion:
    """A job's owner consents that it removes what has no counterpart at the source: at most so many objects, or none at
    all."""

    max_objects: int


def by_globs_alone(filters: Filters) -> bool:
    """Can it be told of a key that isn't at the source whether the filter means it?"""
    return filters == Filters(include=filters.include, exclude=filters.exclude)


def refusal(deletion: Deletion, objects: int, *, source_empty: bool) -> str:
    """Why none of these objects is to be deleted; "" if they all may be."""
    if objects > deletion.max_objects:
        return (
            f"{NOTHING}: {_objects(objects)} would be deleted, the cap is {deletion.max_objects}; if they are to go, "
            "submit the job again with a higher max_objects"
        )
    return SOURCE_EMPTY if objects and source_empty else ""


def beneath(prefix: str, others: Iterable[str]) -> tuple[str, ...]:
    """Those of `others` that lie below `prefix`, and are not the same."""
    return tuple(sorted({other for other in others if other != prefix and other.startswith(prefix)}))


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"
