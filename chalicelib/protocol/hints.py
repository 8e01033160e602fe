"""Handle hints: events that the other Region gets, too. They count only while that Region's heartbeat has stopped."""

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.core.endpoints import Endpoint
from chalicelib.ports import Env, ObjectEvent
from chalicelib.protocol.regions import heartbeat_age_ms, peers

BEATS_MISSED = 2
"""After so many missed heartbeats the Region may be dead. From then on a hint is postponed only until the moment at
which the Region counts as dead."""


def put_off_while_it_lives(env: Env, source: Endpoint, hints: Sequence[ObjectEvent]) -> set[ObjectEvent]:
    """Postpone hints while the Region that should deliver their objects is alive. Return the postponed ones; the others
    are to be handled like any object event.

    A postponed hint comes again until one of these holds: its object is delivered or gone; the Region's heartbeat has
    stopped; or the hint is so old that the event can't be on the other Region's queue any more. So nothing is lost if
    that Region is slow now, and dies later.
    """
    postponable = [event for event in hints if not _is_last_trace(env, event)]
    if not postponable:
        return set()
    region = source.bucket.region if source.bucket.region in peers(env) else next(iter(peers(env)), "")
    age_ms = heartbeat_age_ms(env, region) if region else None
    if age_ms is None or age_ms >= env.policy.takeover_after_ms:
        env.log("hints-count", region=region, hints=len(hints), heartbeat_age_ms=age_ms)
        return set()
    delay_ms = env.policy.hint_again_ms
    if age_ms >= BEATS_MISSED * env.policy.sweep_interval_ms:
        delay_ms = min(delay_ms, env.policy.takeover_after_ms - age_ms)
    # Crash before or after this: the messages that brought these hints come again by themselves.
    env.queue.send_object_events([replace(event, waited=event.waited + 1) for event in postponable], delay_ms=delay_ms)
    env.log("hints-put-off", region=region, hints=len(postponable), heartbeat_age_ms=age_ms, delay_ms=delay_ms)
    return set(postponable)


def _is_last_trace(env: Env, event: ObjectEvent) -> bool:
    """Tell whether a hint is so old that no queue keeps the event itself any longer."""
    return event.waited * env.policy.hint_again_ms >= env.policy.events_kept_ms
