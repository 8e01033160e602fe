"""What is wanted of a feed, in the control bucket of its target's Region: create-only, so that both Regions see the
same at once, and a pause that one of them has taken is not undone by what the other one knows of the table.

    feeds/<feed>/intent/<n>        odd numbers pause it, even ones resume it (`core.intents`)
    feeds/<feed>/fill/<name>       a back-fill that was asked for
    feeds/<feed>/filled/<name>     it is done
    fills/<feed>/<name>            index of what is to be listed, for sweeps; removed when it is done

A feed begins with a fill of its own, `created`, for what arrives before a Region knows of the feed. Each resume has one
too, named after its number: it needs no record but the intent itself, and so there is no
moment at which a feed goes on and nobody knows that something has to be made up for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from chalicelib.core import codec
from chalicelib.core.errors import Corrupt, KeyReused
from chalicelib.core.feeds import (
    CREATED,
    Fill,
    Filled,
    resume_name,
    resume_number,
    since_of_creation_ms,
    since_of_pause_ms,
)
from chalicelib.core.intents import NO_INTENTS, Intent, IntentKind, Intents
from chalicelib.core.model import Endpoint, Feed
from chalicelib.ports import Env
from chalicelib.protocol.records import ControlRecords

_FILLS = "fills/"


@dataclass(frozen=True, slots=True)
class Steering:
    """Whether a feed is paused, as its log says."""

    intents: Intents = NO_INTENTS
    changed_ms: int = 0
    """When the last intent was written, by S3's own time; 0 if there is none."""

    @property
    def paused(self) -> bool:
        return self.intents.paused

    @property
    def since_ms(self) -> int:
        """Of a paused feed: what was written then or later is looked for when it is resumed."""
        return since_of_pause_ms(self.changed_ms)


@dataclass(frozen=True, slots=True)
class FeedLog:
    """The records of one feed."""

    control: ControlRecords
    feed_id: str

    @classmethod
    def of(cls, env: Env, feed: Feed, target: Endpoint) -> "FeedLog":
        return cls(ControlRecords(env, target.bucket.region), feed.id)

    def _key(self, name: str) -> str:
        return f"feeds/{_escaped(self.feed_id)}/{name}"

    def _marker(self, name: str) -> str:
        return f"{_FILLS}{_escaped(self.feed_id)}/{name}"

    # --- pause and resume -------------------------------------------------------------------------------------

    def steering(self) -> Steering:
        """One HEAD for a feed that was never paused; a LIST more for one that was."""
        if self.control.env.store.head(self.control.bucket, self._key(f"intent/{1:06d}")) is None:
            return Steering()
        last = max(self.control.list_all(self._key("intent/")), key=lambda facts: facts.key)
        return Steering(Intents(int(last.key.rsplit("/", 1)[1])), last.last_modified_ms)

    def stopped(self, steering: Steering) -> str:
        """Why the service has paused it, and what to do; "" if it hasn't."""
        if not steering.paused:
            return ""
        body = self.control.get(self._key(f"intent/{steering.intents.highest:06d}"))
        return "" if body is None else codec.loads(body, Intent).reason

    def want(self, kind: IntentKind, by: str, reason: str = "") -> None:
        """Write a wish, unless it holds."""
        number = self.steering().intents.number_for(kind)
        if number is None:
            return
        if kind is IntentKind.RESUME:
            # Crash after this: a fill that waits, as long as the feed is paused. The next resume is the very same one.
            self.control.create(self._marker(resume_name(number)), b"")
        env = self.control.env
        # Lost to another request: it wrote the same wish, since the number says which it is.
        intent = Intent(self.feed_id, number, kind, env.region, env.clock.now_ms(), env.ids.nonce(), by, reason)
        self.control.create(self._key(f"intent/{number:06d}"), codec.dumps(intent))

    # --- fills ------------------------------------------------------------------------------------------------

    def begin(self, by: str) -> None:
        """Record that the feed is being made, before anybody can know of it: what appears from now on, by the time of
        this record in S3, is the feed's."""
        env = self.control.env
        made = Fill(self.feed_id, CREATED, 0, env.region, env.clock.now_ms(), env.ids.nonce(), by)
        # Crash after this: a record of a feed that there isn't. Made again, it has another id, and a record of its own.
        self.control.create(self._key(f"fill/{CREATED}"), codec.dumps(made))

    def begun(self) -> None:
        """See to it that the fill that a feed begins with is done, now that the feed is registered. Safe to repeat."""
        if self.filled(CREATED) is None:
            self.control.create(self._marker(CREATED), b"")

    def order(self, fill: Fill) -> Fill:
        """Ask for a back-fill, or learn what was asked for under its name before."""
        made = self.control.create(self._key(f"fill/{fill.name}"), codec.dumps(fill))
        there = fill if made.won else codec.loads(made.body, Fill)
        if there.since_ms != fill.since_ms:
            raise KeyReused(
                "IdempotencyKeyReused", f"this Idempotency-Key was used for another back-fill ({there.name})"
            )
        # Crash here: nobody knows of it, and its client got no answer; asked for again, it gets here again.
        if self.filled(fill.name) is None:
            self.control.create(self._marker(fill.name), b"")
        return there

    def fill(self, name: str) -> Fill | None:
        """What is to be looked for; None if nobody has asked for it (yet)."""
        number = resume_number(name)
        if number is None:
            body = self.control.get(self._key(f"fill/{name}"))
            fill = None if body is None else codec.loads(body, Fill)
            return self._dated(fill) if fill is not None and name == CREATED else fill
        body = self.control.get(self._key(f"intent/{number:06d}"))
        if body is None:
            return None
        pause = self.control.env.store.head(self.control.bucket, self._key(f"intent/{number - 1:06d}"))
        if pause is None:
            raise Corrupt("RecordVanished", self._key(f"intent/{number - 1:06d}"))
        intent = codec.loads(body, Intent)
        since_ms = since_of_pause_ms(pause.facts.last_modified_ms)
        return Fill(self.feed_id, name, since_ms, intent.region, intent.requested_ms, intent.nonce, intent.by)

    def _dated(self, fill: Fill) -> Fill:
        """The time of its record says since when, so that no clock of ours does."""
        head = self.control.env.store.head(self.control.bucket, self._key(f"fill/{fill.name}"))
        if head is None:
            raise Corrupt("RecordVanished", self._key(f"fill/{fill.name}"))
        return replace(fill, since_ms=since_of_creation_ms(head.facts.last_modified_ms))

    def filled(self, name: str) -> Filled | None:
        body = self.control.get(self._key(f"filled/{name}"))
        return None if body is None else codec.loads(body, Filled)

    def finish(self, filled: Filled) -> None:
        self.control.create(self._key(f"filled/{filled.name}"), codec.dumps(filled))
        # Crash here: a sweep finds it done, and forgets it.
        self.forget(filled.name)

    def waits_for_nobody(self, name: str) -> bool:
        """Say whether a fill was asked for so long ago, by S3's own clock, that its feed would be known by now if it
        were to be: a removed feed's entry is kept for no longer."""
        head = self.control.env.store.head(self.control.bucket, self._marker(name))
        return head is not None and head.age_ms >= self.control.env.policy.removed_kept_ms

    def forget(self, name: str) -> None:
        self.control.env.store.delete(self.control.bucket, self._marker(name))

    def history(self) -> "History":
        """All that was wanted of it, by names and S3's own times: one LIST a thousand records."""
        times: dict[str, int] = {}
        steering, done = Steering(), set()
        for facts in self.control.list_all(self._key("")):
            kind, _, name = facts.key.removeprefix(self._key("")).partition("/")
            if kind == "intent":
                steering = Steering(Intents(int(name)), facts.last_modified_ms)
                if not steering.paused:
                    times[resume_name(int(name))] = facts.last_modified_ms
            elif kind == "fill":
                times[name] = facts.last_modified_ms
            elif kind == "filled":
                done.add(name)
        fills = sorted(times, key=lambda name: (times[name], name), reverse=True)
        return History(steering, tuple(fills), frozenset(done))


@dataclass(frozen=True, slots=True)
class History:
    """`fills` by name, the newest first; `done`: which of them are."""

    steering: Steering
    fills: tuple[str, ...]
    done: frozenset[str]


def feeds_to_be_filled(control: ControlRecords) -> Iterator[tuple[str, list[str]]]:
    """Feeds by id, each with its fills, the oldest first: one LIST a thousand of them."""
    found: dict[str, list[tuple[int, str]]] = {}
    for facts in control.list_all(_FILLS):
        feed_id, _, name = facts.key.removeprefix(_FILLS).partition("/")
        found.setdefault(unquote(feed_id), []).append((facts.last_modified_ms, name))
    for feed_id in found:
        yield feed_id, [name for _, name in sorted(found[feed_id])]


def _escaped(feed_id: str) -> str:
    """Those of declared feeds may hold any character."""
    return quote(feed_id, safe="")
