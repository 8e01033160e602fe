"""Pass each queue's batches to the steps: messages become commands, and errors become partial batch failures.

A message whose work must wait, because AWS throttled or didn't answer, is sent again with a delay and acknowledged.
Left on the queue it would stay invisible for the whole visibility timeout, which is hours for copy. A message that
can't be read, or whose work fails because of an error of ours, is reported as failed. It ends in the dead-letter queue,
whose alarm calls people.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from chalicelib.core.errors import EftError, NoAnswer, OutOfTime, Retry
from chalicelib.core.shares import Stage
from chalicelib.core.tries import REST_MAX_MS
from chalicelib.core.webhooks import Notice, Notification
from chalicelib.entry.events import Message, Unreadable, read
from chalicelib.ports import (
    CopyPartition,
    CopyUploadParts,
    Env,
    MakeReport,
    ObjectEvent,
    PlanRange,
    Task,
    VerifyDelivery,
    VerifyPartition,
    queue_of,
)
from chalicelib.protocol.breaker import for_worker
from chalicelib.protocol.messages import Message as Command
from chalicelib.protocol.stages import Work
from chalicelib.steps import copy as copy_step
from chalicelib.steps import intake as intake_step
from chalicelib.steps import keys as keys_step
from chalicelib.steps import notify as notify_step
from chalicelib.steps import report as report_step
from chalicelib.steps import schedules as schedules_step
from chalicelib.steps import split as split_step
from chalicelib.steps import sweep as sweep_step
from chalicelib.steps import verify as verify_step

AGAIN_MS = 10_000
RESERVE_MS = 10_000
"""No further message is begun in the last so many milliseconds of an invocation."""
BatchResponse = dict[str, list[dict[str, str]]]


def intake(env: Env, event: Mapping[str, Any], deadline_ms: int) -> BatchResponse:
    """Deliver the objects that a batch of S3 events points to. They are handled all together, since a batch becomes one
    partition."""
    env = for_worker(env)
    readable: list[Message] = []
    failed: list[str] = []
    for message in read(event):
        if isinstance(message, Message) and all(isinstance(command, ObjectEvent) for command in message.commands):
            readable.append(message)
        else:
            _report(env, message)
            failed.append(message.message_id)
    try:
        _deliver(env, readable)
    except Retry as error:
        # Even the queue can't be reached. All messages come again by themselves, and work that is done is found done.
        env.log("intake-failed", error=str(error), trace=True)
        failed += [message.message_id for message in readable]
    except Exception as error:  # noqa: BLE001 - something about one of the messages
        env.log("intake-one-by-one", messages=len(readable), error=repr(error), trace=True)
        failed += _deliver_one_by_one(env, readable, deadline_ms)
    return _response(failed)


def _deliver(env: Env, messages: Sequence[Message]) -> None:
    events = dict.fromkeys(
        command for message in messages for command in message.commands if isinstance(command, ObjectEvent)
    )
    try:
        to_retry, delay_min_ms = intake_step.run(env, list(events)), AGAIN_MS
    except Retry as error:
        env.log("object-events-again", events=len(events), error=str(error))
        to_retry, delay_min_ms = set(events), _rest_ms(env, error)
    # Crash before the send: the messages come again by themselves, later.
    for tries in sorted({event.tries for event in to_retry}):
        same_tries = sorted((event for event in to_retry if event.tries == tries), key=lambda event: event.key)
        env.queue.send_object_events(same_tries, delay_ms=max(delay_min_ms, _delay_ms(tries)))


def _delay_ms(tries: int) -> int:
    """Return the delay before the next try, in milliseconds. The first two tries wait as long as any other message;
    after that the delay doubles with each try."""
    return min(AGAIN_MS << max(0, tries - 1), REST_MAX_MS)


def _deliver_one_by_one(env: Env, messages: Sequence[Message], deadline_ms: int) -> list[str]:
    """Deliver each message by itself, so that one poison object doesn't take its whole batch to the dead-letter queue.
    Return the ids of messages that failed or were not reached in time."""
    failed: list[str] = []
    for message in messages:
        try:
            if env.clock.now_ms() >= deadline_ms - RESERVE_MS:
                raise OutOfTime("OutOfTime", "left for the next invocation")
            _deliver(env, [message])
        except Exception as error:  # noqa: BLE001 - whatever it is, the message is kept and its neighbours go on
            env.log("message-failed", message=message.message_id, error=repr(error), trace=True)
            failed.append(message.message_id)
    return failed


def split(env: Env, event: Mapping[str, Any], deadline_ms: int) -> BatchResponse:
    env = for_worker(env)

    def carry_out(command: Command) -> None:
        match command:
            case PlanRange():
                split_step.run(env, command, deadline_ms)
            case MakeReport():
                report_step.run(env, command, deadline_ms)
            case _:
                _unexpected(command)

    return _each(env, event, carry_out)


def copy(env: Env, event: Mapping[str, Any], deadline_ms: int) -> BatchResponse:
    env = for_worker(env)

    def carry_out(command: Command) -> None:
        match command:
            case CopyPartition():
                copy_step.run(env, command, deadline_ms)
            case CopyUploadParts():
                copy_step.help_with_parts(env, command, deadline_ms)
            case _:
                _unexpected(command)

    return _each(env, event, carry_out)


def verify(env: Env, event: Mapping[str, Any], _deadline_ms: int) -> BatchResponse:
    env = for_worker(env)

    def carry_out(command: Command) -> None:
        match command:
            case VerifyPartition():
                verify_step.run(env, command)
            case VerifyDelivery():
                verify_step.verify_delivery(env, command)
            case ObjectEvent():
                verify_step.destination_created(env, command.bucket, command.key)
            case _:
                _unexpected(command)

    return _each(env, event, carry_out)


def notify(env: Env, event: Mapping[str, Any], _deadline_ms: int) -> BatchResponse:
    """Carry out the messages in parallel: a receiver may take seconds, and other notifications must not wait for it."""
    env = for_worker(env)
    return _response([failed for failed in env.pool.map(partial(_notify, env), list(read(event))) if failed])


def _notify(env: Env, message: Message | Unreadable) -> str | None:
    """Carry out one message. Return its id if it failed, else None."""
    if isinstance(message, Unreadable):
        _report(env, message)
        return message.message_id
    try:
        for command in message.commands:
            if isinstance(command, Notice | Notification):
                _notice_or_again(env, command)
            else:
                _unexpected(command)
    except Exception as error:  # noqa: BLE001 - whatever it is, the message is kept and its neighbours go on
        env.log("message-failed", message=message.message_id, error=repr(error), trace=True)
        return message.message_id
    return None


def _notice_or_again(env: Env, notice: Notice | Notification) -> None:
    try:
        if isinstance(notice, Notice):
            notify_step.fan_out(env, notice)
        else:
            notify_step.post(env, notice)
    except Retry as error:
        env.log("notice-again", tenant=notice.tenant, topic=notice.topic, error=str(error))
        # Crash before the send: the message comes again by itself, later.
        env.queue.send_notices([notice], delay_ms=_rest_ms(env, error))


def sweep(env: Env, _event: Mapping[str, Any], deadline_ms: int) -> None:
    """Run a sweep of this Region. Schedules come after the existing jobs, and use what the sweep has just found out
    about the Regions' storage. Keys come last, since they can wait: known keys stay valid while no issuer can be
    asked."""
    later: dict[Stage, Work] = {Stage.SCHEDULES: schedules_step.run, Stage.KEYS: keys_step.run}
    sweep_step.run(env, deadline_ms, later)


def _unexpected(command: object) -> None:
    raise EftError("WrongQueue", f"{command!r} does not belong on this queue")


def _each(env: Env, event: Mapping[str, Any], carry_out: Callable[[Command], None]) -> BatchResponse:
    """Carry out each message by itself, so that a bad message never fails its neighbours."""
    failed: list[str] = []
    for message in read(event):
        if isinstance(message, Unreadable):
            _report(env, message)
            failed.append(message.message_id)
            continue
        try:
            for command in message.commands:
                _carry_out_or_again(env, command, carry_out)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message is kept and its neighbours go on
            env.log("message-failed", message=message.message_id, error=repr(error), trace=True)
            failed.append(message.message_id)
    return _response(failed)


def _rest_ms(env: Env, error: Retry) -> int:
    """Return how long a message rests, in milliseconds. It rests longer if a dependency didn't answer, since each new
    try makes a worker wait for it."""
    return env.policy.silence_rest_ms if isinstance(error, NoAnswer) else AGAIN_MS


def _carry_out_or_again(env: Env, command: Command, carry_out: Callable[[Command], None]) -> None:
    """Carry out a command. If its work must wait, send a task again, with a delay. Raises Retry for other commands:
    their message stays on the queue."""
    try:
        carry_out(command)
    except Retry as error:
        # Crash before either send: the message comes again by itself, later.
        if isinstance(command, VerifyDelivery):
            env.log("delivery-again", feed=command.feed_id, key=command.key, error=str(error))
            env.queue.send_verify_deliveries([command], delay_ms=_rest_ms(env, error))
        elif isinstance(command, Task):
            partition_id = _subject_of(command)
            env.log(
                "task-again", queue=queue_of(command), job=command.job_id, partition_id=partition_id, error=str(error)
            )
            task = replace(command, fresh=False) if isinstance(command, CopyPartition) else command
            env.queue.send([task], delay_ms=_rest_ms(env, error))
        else:
            raise


def _subject_of(task: Task) -> str:
    """Return the partition or range that a task is about, or "" for a report."""
    match task:
        case PlanRange():
            return task.range_id
        case MakeReport():
            return ""
        case _:
            return task.partition_id


def _report(env: Env, message: Message | Unreadable) -> None:
    reason = message.why if isinstance(message, Unreadable) else "does not belong on this queue"
    env.log("unreadable-message", message=message.message_id, why=reason)


def _response(failed: list[str]) -> BatchResponse:
    """Return Lambda's answer that names the failed messages. A record without an id is left out: Lambda reads an empty
    identifier as "all of them" (developer guide, "Reporting batch item failures"), and its neighbours would come again
    for ever."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed if message_id]}
