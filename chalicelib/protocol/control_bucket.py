"""Read and write single records in the control bucket of a Region."""

from dataclasses import dataclass

from chalicelib.core.errors import PreconditionFailed, Retry
from chalicelib.core.objects import Bucket, ObjectFacts, ObjectHead
from chalicelib.ports import Env

ATTEMPTS = 4
"""How often a record is written, and read after an answer other than success."""


@dataclass(frozen=True, slots=True)
class Created:
    """The result of `create`: the record that is there now, and whether it is the caller's own."""

    won: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class ControlBucket:
    """One Region's control bucket."""

    env: Env
    region: str

    @property
    def bucket(self) -> Bucket:
        return self.env.control_buckets[self.region]

    def create(self, key: str, body: bytes) -> Created:
        """Publish a record unless one is there. Return the record that is there afterwards.

        If the answer is anything but success, GET decides: the record carries a nonce, so the caller's own record is
        recognised even if its answer was lost. Raises Retry if the bucket can't be reached.
        """
        for _ in range(ATTEMPTS):
            try:
                self.env.store.create(self.bucket, key, body)
                return Created(True, body)
            except (PreconditionFailed, Retry):
                # 412: a record is there. It may be our own (after a retry below us, or a lost answer). 409, timeout,
                # 5xx: it may have been written. If nothing is there, it was not: try again.
                existing = self.env.store.get(self.bucket, key)
                if existing is not None:
                    return Created(existing == body, existing)
        raise Retry("ControlBucketUnreachable", f"{key} could neither be written nor read")

    def get(self, key: str) -> bytes | None:
        return self.env.store.get(self.bucket, key)

    def head(self, key: str) -> ObjectHead | None:
        return self.env.store.head(self.bucket, key)

    def list_all(self, prefix: str, start_after: str = "", limit: int | None = None) -> list[ObjectFacts]:
        """Return every record under a prefix, strongly consistent. With `limit` it stops after the page that reaches
        it."""
        objects: list[ObjectFacts] = []
        while True:
            page = self.env.store.list(self.bucket, prefix, start_after=start_after)
            objects.extend(page.objects)
            if not page.truncated or (limit is not None and len(objects) >= limit):
                return objects
            start_after = page.objects[-1].key
