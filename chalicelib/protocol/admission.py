"""Start copy for planned partitions, a window at a time (`core.admission`). Split sends the task to copy a partition
when it plans it, or the worker that finishes the previous partition of the same lane sends it.

Both sides write first and read afterwards. Split writes the manifest entry, then checks whether the partition's turn
has come already. The finishing worker writes its record, then checks whether the next entry is there. So at least one
of them sees the other. If both do, the task is sent twice, which is harmless. If a message is lost, the sweep sends
another one when the job stands still.
"""

from dataclasses import dataclass

from chalicelib.core.admission import before_in_line, next_in_line, partitions_ahead
from chalicelib.core.errors import Retry
from chalicelib.core.ids import split_part_id
from chalicelib.core.model import JobSpec, Manifest
from chalicelib.ports import CopyPartition, Env
from chalicelib.protocol.records import JobRecords

LOOKS = 8
"""How many partitions with nothing to copy are skipped in one call."""


@dataclass(frozen=True, slots=True)
class Line:
    """The lanes of a job's ranges."""

    env: Env
    records: JobRecords
    spec: JobSpec

    def ahead(self, range_id: str) -> int:
        return partitions_ahead(self.env.policy, self.spec.priority, range_id)

    def is_due(self, part: str) -> bool:
        """Tell whether the turn of a planned partition has come.

        The answer is also True if the previous `LOOKS` partitions of its lane all had nothing to copy. Planning so many
        of them takes so long that their messages don't crowd the queue.
        """
        ahead = self.ahead(split_part_id(part)[0])
        for _ in range(LOOKS):
            before = before_in_line(part, ahead)
            if before is None:
                return True
            if self.records.claimed(before):
                return self.records.finished(before)
            if not self.records.done(before):
                return False
            part = before  # It got its receipt when it was planned, so its turn decides.
        return True

    def pass_over(self, manifest: Manifest) -> None:
        """Start the next partition of the lane after one that got its receipt when it was planned.

        Another splitter may have continued from this partition's entry before the receipt was written. It has then not
        seen this partition as finished, and sent no task. Where there is no such entry, this costs one HEAD.
        """
        ahead = self.ahead(split_part_id(manifest.part)[0])
        if (
            not manifest.last
            and self.records.has_link(next_in_line(manifest.part, ahead))
            and self.is_due(manifest.part)
        ):
            self.pass_on(manifest)

    def pass_on(self, manifest: Manifest) -> None:
        """Send the task to copy the next partition of the lane, since this one is finished. Safe to repeat."""
        if manifest.last or manifest.aside:
            return
        try:
            self.env.queue.send(self._next(manifest.part))
        except Retry as error:
            # This is as if we had died before the send: the sweep starts the lane again when the job stands still.
            self.env.log("next-not-woken", job=self.spec.job_id, part=manifest.part, error=str(error))

    def _next(self, part: str) -> list[CopyPartition]:
        ahead = self.ahead(split_part_id(part)[0])
        for _ in range(LOOKS):
            part = next_in_line(part, ahead)
            if not self.records.has_link(part) or self.records.claimed(part):
                return []  # Not planned: its planner checks. Claimed: its worker starts the next one.
            if not self.records.done(part):
                return [CopyPartition.of(self.spec, part, fresh=True)]
        # All of these partitions had nothing to copy. The worker that gets this message finds the partition finished,
        # and continues from there.
        return [CopyPartition.of(self.spec, part)]
