"""Write a job's desired state (its pause log), poll it during work, and note it in the table for the API's answers."""

from dataclasses import dataclass, replace

from chalicelib.core.desired_state import DESIRED_STATE_SUBJECT, DesiredState, PauseLogEntry, PauseLogKind
from chalicelib.core.errors import Retry
from chalicelib.core.leases import Observation
from chalicelib.ports import Env
from chalicelib.protocol.lease import CHECK_EVERY_BEATS
from chalicelib.protocol.records import JobRecords


def set_desired_state(
    env: Env, records: JobRecords, kind: PauseLogKind, by: str = "", reason: str = ""
) -> DesiredState:
    """Write the desired state, unless it is in effect already. Return the desired state after that."""
    current = records.desired_state()
    number = current.number_for(kind)
    if number is None:
        return current
    # If another request was faster, it wrote the same entry: the number says which kind it is.
    now_ms, nonce = env.clock.now_ms(), env.ids.nonce()
    records.append_to_pause_log(PauseLogEntry(records.job_id, number, kind, env.region, now_ms, nonce, by, reason))
    return replace(current, highest=number)


def desired_state_note(env: Env, job_id: str, desired_state: DesiredState) -> Observation:
    return Observation.of(job_id, DESIRED_STATE_SUBJECT, env.region, desired_state, env.clock.now_ms())


@dataclass(slots=True)
class Lookout:
    """Polls the job's desired state during work without a lease (split, helpers), as often as the holder of a partition
    does."""

    env: Env
    records: JobRecords
    desired_state: DesiredState
    looked_ms: int
    planned_first: bool

    @classmethod
    def begin(cls, env: Env, records: JobRecords, *, planned_first: bool) -> "Lookout":
        desired_state = records.desired_state(planned_first=planned_first)
        return cls(env, records, desired_state, env.clock.now_ms(), planned_first)

    def look(self) -> DesiredState:
        now_ms = self.env.clock.now_ms()
        if now_ms - self.looked_ms >= CHECK_EVERY_BEATS * self.env.policy.heartbeat_ms:
            self.looked_ms = now_ms
            try:
                self.desired_state = self.records.desired_state(planned_first=self.planned_first)
            except Retry as error:
                # It is better to continue than to lose the work: a pause may be noticed a minute later.
                self.env.log("desired-state-not-read", job=self.records.job_id, error=str(error))
        return self.desired_state
