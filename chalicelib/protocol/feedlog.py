"""Keep a feed's log: the desired state of a feed (its pauses and resumes) and its fills. It lies in the control bucket
of the target's Region. Its records are create-only, so both Regions see the same at once. A pause that one Region has
accepted is therefore not undone by the other Region's older knowledge from the table.

    feeds/<feed>/intent/<n>        odd numbers pause it, even ones resume it (`core.intents`)
    feeds/<feed>/fill/<name>       a back-fill that was asked for
    feeds/<feed>/filled/<name>     it is done
    fills/<feed>/<name>            index of the fills to work on, for sweeps; removed when one is done

A feed begins with a fill of its own, `created`, for objects that arrive before a Region knows of the feed. Each resume
has a fill too, named after its number. It needs no record except the intent itself. So there is no moment at which a
feed runs again and nobody knows that it has something to make up for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from chalicelib.core import codec
from chalicelib.core.errors import Corrupt, ErrorCode, KeyReused
from chalicelib.core.feeds import (
    CREATED,
    Fill,
    Filled,
    resume_name,
    resume_number,
    since_of_creation_ms,
    since_of_pause_ms,
)
from chalicelib.core.ids import number_of
from chalicelib.core.intents import NO_INTENTS, Intent, IntentKind, Intents
from chalicelib.core.model import Endpoint, Feed
from chalicelib.ports import Env
from chalicelib.protocol.numbered_log import NumberedLog
from chalicelib.protocol.records import ControlRecords

_FILLS = "fills/"


@dataclass(frozen=True, slots=True)
class Steering:
    """The desired state of a feed, as its log says: paused or not."""

    intents: Intents = NO_INTENTS
    changed_ms: int = 0
    """When the last intent was written, by S3's own time in ms; 0 if there is none."""

    @property
    def paused(self) -> bool:
        return self.intents.paused

    @property
    def since_ms(self) -> int:
        """For a paused feed: objects that were written then or later are looked for when the feed is resumed."""
        return since_of_pause_ms(self.changed_ms)


@dataclass(frozen=True, slots=True)
class FeedLog:
    """The log of one feed."""

    control: ControlRecords
    feed_id: str

    @classmethod
    def of(cls, env: Env, feed: Feed, target: Endpoint) -> "FeedLog":
        return cls(ControlRecords(env, target.bucket.region), feed.id)

    def _key(self, name: str) -> str:
        return f"feeds/{_escaped(self.feed_id)}/{name}"

    def _marker(self, name: str) -> str:
        return f"{_FILLS}{_escaped(self.feed_id)}/{name}"

    @property
    def _pause_log(self) -> NumberedLog[Intent]:
        return NumberedLog(self.control, self._key("intent/"), Intent)

    # --- pause and resume -------------------------------------------------------------------------------------

    def steering(self) -> Steering:
        """Return the desired state. It costs one HEAD for a feed that was never paused, and one LIST more for
        others."""
        last = self._pause_log.last_position() if self._pause_log.has(1) else None
        return Steering() if last is None else Steering(Intents(last.number), last.written_ms)

    def stopped(self, steering: Steering) -> str:
        """Return why the service has paused the feed, and what to do; "" if it hasn't."""
        if not steering.paused:
            return ""
        intent = self._pause_log.get(steering.intents.highest)
        return "" if intent is None else intent.reason

    def want(self, kind: IntentKind, by: str, reason: str = "") -> None:
        """Write the desired state, unless it is in effect already."""
        number = self.steering().intents.number_for(kind)
        if number is None:
            return
        if kind is IntentKind.RESUME:
            # Crash after this: a fill is on the index, and waits as long as the feed is paused. The next resume has the
            # same number, and so the same fill.
            self.control.create(self._marker(resume_name(number)), b"")
        env = self.control.env
        # If another request was faster, it wrote the same intent: the number says which kind it is.
        intent = Intent(self.feed_id, number, kind, env.region, env.clock.now_ms(), env.ids.nonce(), by, reason)
        self._pause_log.append(number, intent)

    # --- fills ------------------------------------------------------------------------------------------------

    def begin(self, by: str) -> None:
        """Record that the feed is being made, before anybody can know of it. Objects that appear after the time of this
        record, by S3's clock, are the feed's."""
        env = self.control.env
        made = Fill(self.feed_id, CREATED, 0, env.region, env.clock.now_ms(), env.ids.nonce(), by)
        # Crash after this: the record belongs to a feed that doesn't exist, and does nothing. When the feed is made
        # again, it has another id, and a record of its own.
        self.control.create(self._key(f"fill/{CREATED}"), codec.dumps(made))

    def begun(self) -> None:
        """Put the feed's first fill on the index, unless it is done, now that the feed is registered. Safe to
        repeat."""
        if self.filled(CREATED) is None:
            self.control.create(self._marker(CREATED), b"")

    def order(self, fill: Fill) -> Fill:
        """Order a back-fill. Return the one that was ordered under its name before, if there is one. Raises KeyReused
        if that one has another `since_ms`."""
        made = self.control.create(self._key(f"fill/{fill.name}"), codec.dumps(fill))
        there = fill if made.won else codec.loads(made.body, Fill)
        if there.since_ms != fill.since_ms:
            raise KeyReused(
                ErrorCode.IDEMPOTENCY_KEY_REUSED, f"this Idempotency-Key was used for another back-fill ({there.name})"
            )
        # Crash here: no sweep knows of the fill, and its client got no answer. The client asks again, and gets here
        # again.
        if self.filled(fill.name) is None:
            self.control.create(self._marker(fill.name), b"")
        return there

    def fill(self, name: str) -> Fill | None:
        """Return a fill by its name, or None if nobody has asked for it (yet)."""
        number = resume_number(name)
        if number is None:
            body = self.control.get(self._key(f"fill/{name}"))
            fill = None if body is None else codec.loads(body, Fill)
            return self._dated(fill) if fill is not None and name == CREATED else fill
        intent = self._pause_log.get(number)
        if intent is None:
            return None
        paused_ms = self._pause_log.written_ms(number - 1)
        if paused_ms is None:
            raise Corrupt("RecordVanished", self._pause_log.key(number - 1))
        since_ms = since_of_pause_ms(paused_ms)
        return Fill(self.feed_id, name, since_ms, intent.region, intent.requested_ms, intent.nonce, intent.by)

    def _dated(self, fill: Fill) -> Fill:
        """Return the fill with its start time, which is the time of its record in S3: no clock of ours decides it."""
        head = self.control.head(self._key(f"fill/{fill.name}"))
        if head is None:
            raise Corrupt("RecordVanished", self._key(f"fill/{fill.name}"))
        return replace(fill, since_ms=since_of_creation_ms(head.facts.last_modified_ms))

    def filled(self, name: str) -> Filled | None:
        body = self.control.get(self._key(f"filled/{name}"))
        return None if body is None else codec.loads(body, Filled)

    def finish(self, filled: Filled) -> None:
        self.control.create(self._key(f"filled/{filled.name}"), codec.dumps(filled))
        # Crash here: the fill is done, but still on the index. A sweep finds it done, and removes it from the index.
        self.forget(filled.name)

    def waits_for_nobody(self, name: str) -> bool:
        """Tell whether a fill was ordered so long ago, by S3's own clock, that its feed would be known by now if it
        existed. The entry of a removed feed is not kept for longer than that."""
        head = self.control.head(self._marker(name))
        return head is not None and head.age_ms >= self.control.env.policy.removed_kept_ms

    def forget(self, name: str) -> None:
        self.control.env.store.delete(self.control.bucket, self._marker(name))

    def history(self) -> "History":
        """Return the feed's history from names and S3's own times alone. It costs one LIST per thousand records."""
        times: dict[str, int] = {}
        steering, done = Steering(), set()
        for facts in self.control.list_all(self._key("")):
            kind, _, name = facts.key.removeprefix(self._key("")).partition("/")
            if kind == "intent":
                steering = Steering(Intents(number_of(name)), facts.last_modified_ms)
                if not steering.paused:
                    times[resume_name(number_of(name))] = facts.last_modified_ms
            elif kind == "fill":
                times[name] = facts.last_modified_ms
            elif kind == "filled":
                done.add(name)
        fills = sorted(times, key=lambda name: (times[name], name), reverse=True)
        return History(steering, tuple(fills), frozenset(done))


@dataclass(frozen=True, slots=True)
class History:
    """A feed's history. `fills` are names, the newest first; `done` are the names of those that are done."""

    steering: Steering
    fills: tuple[str, ...]
    done: frozenset[str]


def feeds_to_be_filled(control: ControlRecords) -> Iterator[tuple[str, list[str]]]:
    """Yield feed ids, each with the names of its fills, the oldest first. It costs one LIST per thousand fills."""
    found: dict[str, list[tuple[int, str]]] = {}
    for facts in control.list_all(_FILLS):
        feed_id, _, name = facts.key.removeprefix(_FILLS).partition("/")
        found.setdefault(unquote(feed_id), []).append((facts.last_modified_ms, name))
    for feed_id in found:
        yield feed_id, [name for _, name in sorted(found[feed_id])]


def _escaped(feed_id: str) -> str:
    """Return the feed id as a part of a key. The ids of declared feeds may hold any character."""
    return quote(feed_id, safe="")
