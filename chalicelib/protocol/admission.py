"""Who wakes copy for a partition (`core.admission`): split when it plans it, or whoever finishes the one before it in
its line.

Each writes first and looks then: split writes the link and looks whether its turn has come already; the finisher
writes its record and looks whether the next link is there. So at least one of them sees the other. If both do, the
partition is woken twice, which is harmless. A message that is lost is sent anew by the sweep when the job stands still.
"""

from dataclasses import dataclass

from chalicelib.core.admission import before_in_line, next_in_line, partitions_ahead
from chalicelib.core.errors import Retry
from chalicelib.core.ids import split_part_id
from chalicelib.core.model import JobSpec, Manifest
from chalicelib.ports import Env, QueueName, Wake
from chalicelib.protocol.records import JobRecords

LOOKS = 8
"""Partitions with nothing to copy are passed by: so many at one go."""


@dataclass(frozen=True, slots=True)
class Line:
    """The lines of a job's ranges."""

    env: Env
    records: JobRecords
    spec: JobSpec

    def ahead(self, range_id: str) -> int:
        return partitions_ahead(self.env.policy, self.spec.priority, range_id)

    def is_due(self, part: str) -> bool:
        """Has the turn of a planned partition come? If there is nothing but unchanged ones before it as far as one
        looks, it counts as come: planning these takes so long that they make no crowd."""
        ahead = self.ahead(split_part_id(part)[0])
        for _ in range(LOOKS):
            before = before_in_line(part, ahead)
            if before is None:
                return True
            if self.records.claimed(before):
                return self.records.finished(before)
            if not self.records.done(before):
                return False
            part = before  # Receipted when it was planned: then its turn is this one's.
        return True

    def pass_over(self, manifest: Manifest) -> None:
        """A partition was receipted when it was planned. Another splitter may have gone on from its link before that,
        and not have seen it finished: one HEAD, if there was none."""
        ahead = self.ahead(split_part_id(manifest.part)[0])
        if (
            not manifest.last
            and self.records.has_link(next_in_line(manifest.part, ahead))
            and self.is_due(manifest.part)
        ):
            self.pass_on(manifest)

    def pass_on(self, manifest: Manifest) -> None:
        """A partition is finished, or was before: wake the next one of its line."""
        if manifest.last or manifest.aside:
            return
        try:
            self.env.queue.send(self._next(manifest.part))
        except Retry as error:
            # As if we had died before this: the sweep wakes the line when the job stands still.
            self.env.log("next-not-woken", job=self.spec.job_id, part=manifest.part, error=str(error))

    def _next(self, part: str) -> list[Wake]:
        ahead = self.ahead(split_part_id(part)[0])
        for _ in range(LOOKS):
            part = next_in_line(part, ahead)
            if not self.records.has_link(part) or self.records.claimed(part):
                return []  # Whoever plans it looks back; whoever holds it passes on.
            if not self.records.done(part):
                return [self.wake(part, fresh=True)]
        # Unchanged ones all along: whoever gets this finds it finished, and goes on from there.
        return [self.wake(part)]

    def wake(self, part: str, *, fresh: bool = False) -> Wake:
        return Wake.of(self.spec, QueueName.COPY, part, fresh=fresh)
