"""Give planning and verification a retry budget: an object that never answers must not block them for ever.

Copying has a retry budget of its own (`protocol.trial`), since it counts by row. Here, each fruitless try is noted as a
create-only record, and the rests between tries grow as they do for copying. When the budget is used up, an object that
still doesn't answer counts as unreadable, like one that is denied. Its neighbours proceed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, cast

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.errors import EftError, NoAnswer, NotAsked, Permanent, Retry
from chalicelib.core.jobs import JobSpec
from chalicelib.core.retry import backoff_ms
from chalicelib.core.tries import Waited, rest_ms, seen_text
from chalicelib.ports import Env, ObjectStore, RestingTask
from chalicelib.protocol.records import JobRecords

R = TypeVar("R")
GIVEN_UP = "GivenUp"
UNANSWERED_MAX = 3
"""How many calls for one object without an answer end its last round. A single one may have any cause."""
_LOOKS = ("head", "tags", "part_sizes", "read")


def with_retry_budget(
    env: Env, records: JobRecords, spec: JobSpec, subject: str, task: RestingTask, work: Callable[[Env], R]
) -> R | None:
    """Return the result of `work`, or None if it failed with a Retry. In that case the task is sent again, after a
    rest, or another such message is already under way. `subject` names the work, uniquely within the job."""
    try:
        return work(env)
    except Retry as error:
        failure = error
    before = records.waited(subject)
    rounds = before.number if before else 0
    if before is not None and task.rested_after_round != rounds and env.clock.now_ms() < before.at_ms + rest_ms(rounds):
        # The worker that noted the last round has sent a message. A second message would double the rounds for good.
        env.log("look-in-vain-again", job=spec.job_id, subject=subject, error=str(failure))
        return None
    if answers(env, spec):
        if rounds + 1 >= env.policy.row_rounds_max:
            env.log("look-given-up", job=spec.job_id, subject=subject, rounds=rounds + 1, error=str(failure))
            return work(replace(env, store=cast(ObjectStore, _GivingUp(env, rounds + 1))))
        rounds += 1
        now_ms = env.clock.now_ms()
        # Crash before this: the round is not counted. Crash after this: no message is sent, and the sweep starts
        # the step when the job stands still.
        records.create_waited(Waited(spec.job_id, subject, rounds, env.region, now_ms, seen_text(failure)))
    env.log("look-in-vain", job=spec.job_id, subject=subject, rounds=rounds, error=str(failure))
    env.queue.send([replace(task, rested_after_round=rounds)], delay_ms=rest_ms(rounds))
    return None


def answers(env: Env, spec: JobSpec) -> bool:
    """Tell whether a job's source and target answer at all. If they don't, the job waits for them, however long that
    takes."""
    return answered(env, (spec.source, spec.target))


def answered(env: Env, endpoints: Iterable[Endpoint]) -> bool:
    for endpoint in endpoints:
        try:
            env.store.list(endpoint.bucket, endpoint.prefix, limit=1)
        except Retry as error:
            env.log("bucket-not-answering", bucket=endpoint.bucket.name, error=str(error))
            return False
        except EftError:
            pass  # An error is an answer too.
    return True


@dataclass(frozen=True, slots=True)
class _GivingUp:
    """A store whose reads of single objects end: after the last try, a retryable error becomes a permanent error of
    that object."""

    env: Env
    rounds: int

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any of the store's methods
        method = getattr(self.env.store, name)
        return partial(self._look, method) if name in _LOOKS else method

    def _look(self, method: Callable[..., R], *args: Any, **options: Any) -> R:  # noqa: ANN401 - the method's own
        """Try the call as often as a row is tried in one invocation: a neighbour that is throttled only now must not
        fail with the object. Calls without an answer end it sooner (`UNANSWERED_MAX`), since each costs its whole
        timeout. NotAsked is raised on: a call that was not made says nothing about this object."""
        policy = self.env.policy
        unanswered = 0
        for attempt in range(policy.attempts):
            try:
                return method(*args, **options)
            except NotAsked:
                raise
            except Retry as error:
                unanswered += isinstance(error, NoAnswer)
                if unanswered == UNANSWERED_MAX or attempt + 1 == policy.attempts:
                    raise self._given_up(error) from error
            wait = backoff_ms(attempt, policy.backoff_base_ms, policy.backoff_max_ms, self.env.rng.uniform())
            self.env.clock.sleep_ms(wait)
        raise AssertionError("a policy has at least one attempt")

    def _given_up(self, error: Retry) -> Permanent:
        return Permanent(GIVEN_UP, f"no answer after {self.rounds} rounds: {seen_text(error)}")
