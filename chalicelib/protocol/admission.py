"""Start copy for planned partitions, a window at a time (`core.admission`). Split sends the task to copy a partition
when it plans it, or the worker that finishes the previous partition of the same lane sends it.

Both sides write first and read afterwards. Split writes the manifest entry, then checks whether the partition's turn
has come already. The finishing worker writes its record, then checks whether the next entry is there. So at least one
of them sees the other. If both do, the task is sent twice, which is harmless. If a message is lost, the sweep sends
another one when the job stands still.
"""

from dataclasses import dataclass

from chalicelib.core.admission import next_in_lane, partitions_ahead, previous_in_lane
from chalicelib.core.errors import Retry
from chalicelib.core.ids import split_partition_id
from chalicelib.core.jobs import JobSpec
from chalicelib.core.manifests import Manifest
from chalicelib.ports import CopyPartition, Env
from chalicelib.protocol.records import JobRecords

LOOKS = 8
"""How many partitions with nothing to copy are skipped in one call, at most."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of a job's ranges."""

    env: Env
    records: JobRecords
    spec: JobSpec

    def ahead(self, range_id: str) -> int:
        return partitions_ahead(self.env.policy, self.spec.priority, range_id)

    def is_due(self, partition_id: str) -> bool:
        """Tell whether the turn of a planned partition has come.

        The answer is also True if the previous `LOOKS` partitions of its lane all had nothing to copy. Planning so many
        of them takes so long that their messages don't crowd the queue.
        """
        ahead = self.ahead(split_partition_id(partition_id)[0])
        for _ in range(LOOKS):
            previous = previous_in_lane(partition_id, ahead)
            if previous is None:
                return True
            if self.records.claimed(previous):
                return self.records.finished(previous)
            if not self.records.done(previous):
                return False
            partition_id = previous  # It got its receipt when it was planned, so its turn decides.
        return True

    def pass_over(self, manifest: Manifest) -> None:
        """Start the next partition of the lane after one that got its receipt when it was planned.

        Another splitter may have continued from this partition's entry before the receipt was written. It has then not
        seen this partition as finished, and sent no task. Where there is no such entry, this costs one HEAD.
        """
        ahead = self.ahead(split_partition_id(manifest.partition_id)[0])
        if (
            not manifest.last
            and self.records.has_entry(next_in_lane(manifest.partition_id, ahead))
            and self.is_due(manifest.partition_id)
        ):
            self.pass_on(manifest)

    def pass_on(self, manifest: Manifest) -> None:
        """Send the task to copy the next partition of the lane, since this one is finished. Safe to repeat."""
        if manifest.last or manifest.aside:
            return
        try:
            self.env.queue.send(self._next(manifest.partition_id))
        except Retry as error:
            # This has the same effect as a crash before the send: the sweep starts the lane again when the job stands
            # still.
            self.env.log(
                "next-task-not-sent", job=self.spec.job_id, partition_id=manifest.partition_id, error=str(error)
            )

    def _next(self, partition_id: str) -> list[CopyPartition]:
        ahead = self.ahead(split_partition_id(partition_id)[0])
        for _ in range(LOOKS):
            partition_id = next_in_lane(partition_id, ahead)
            if not self.records.has_entry(partition_id) or self.records.claimed(partition_id):
                return []  # Not planned: its planner checks. Claimed: its worker starts the next one.
            if not self.records.done(partition_id):
                return [CopyPartition.of(self.spec, partition_id, fresh=True)]
        # All of these partitions had nothing to copy. The worker that gets this message finds the partition finished,
        # and continues from there.
        return [CopyPartition.of(self.spec, partition_id)]
