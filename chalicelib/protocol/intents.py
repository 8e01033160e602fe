"""Write a job's intents (its pause log), poll them during work, and note them in the table for the API's answers."""

from dataclasses import dataclass, replace

from chalicelib.core.errors import Retry
from chalicelib.core.intents import INTENTS_SUBJECT, Intent, IntentKind, Intents
from chalicelib.core.leases import Observation
from chalicelib.ports import Env
from chalicelib.protocol.lease import CHECK_EVERY_BEATS
from chalicelib.protocol.records import JobRecords


def want(env: Env, records: JobRecords, kind: IntentKind, by: str = "", reason: str = "") -> Intents:
    """Write the desired state, unless it is in effect already. Return the desired state after that."""
    seen = records.intents()
    number = seen.number_for(kind)
    if number is None:
        return seen
    # If another request was faster, it wrote the same intent: the number says which kind it is.
    now, nonce = env.clock.now_ms(), env.ids.nonce()
    records.create_intent(Intent(records.job_id, number, kind, env.region, now, nonce, by, reason))
    return replace(seen, highest=number)


def intents_note(env: Env, job_id: str, intents: Intents) -> Observation:
    return Observation.of(job_id, INTENTS_SUBJECT, env.region, intents, env.clock.now_ms())


@dataclass(slots=True)
class Lookout:
    """Polls the job's intents during work without a lease (split, helpers), as often as the holder of a partition
    does."""

    env: Env
    records: JobRecords
    intents: Intents
    looked_ms: int
    planned_first: bool

    @classmethod
    def begin(cls, env: Env, records: JobRecords, *, planned_first: bool) -> "Lookout":
        intents = records.intents(planned_first=planned_first)
        return cls(env, records, intents, env.clock.now_ms(), planned_first)

    def look(self) -> Intents:
        now = self.env.clock.now_ms()
        if now - self.looked_ms >= CHECK_EVERY_BEATS * self.env.policy.heartbeat_ms:
            self.looked_ms = now
            try:
                self.intents = self.records.intents(planned_first=self.planned_first)
            except Retry as error:
                # It is better to continue than to lose the work: a pause that is noticed a minute later is noticed in
                # time.
                self.env.log("intents-not-looked-for", job=self.records.job_id, error=str(error))
        return self.intents
