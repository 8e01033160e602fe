"""Keep a feed's log: the desired state of a feed (its pauses and resumes) and its back-fills. It lies in the control
bucket of the target's Region. Its records are create-only, so both Regions see the same at once. A pause that one
Region has accepted is therefore not undone by the other Region's older knowledge from the table.

    feeds/<feed>/desired/<n>           odd numbers pause the feed, even ones resume it (`core.desired_state`)
    feeds/<feed>/backfill/<name>       a back-fill that was requested
    feeds/<feed>/backfill-done/<name>  the back-fill of that name is done
    backfills/<feed>/<name>            index of the back-fills to work on, for sweeps; removed when one is done

A feed begins with a back-fill of its own, `created`, for objects that appear before a Region knows of the feed. Each
resume has a back-fill too, named after its number. It needs no record except that entry itself. So there is no moment
at which a feed runs again and no record says which objects it has missed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from chalicelib.core import codec
from chalicelib.core.desired_state import AS_SUBMITTED, DesiredState, PauseLogEntry, PauseLogKind
from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.errors import Corrupt, ErrorCode, KeyReused
from chalicelib.core.feeds import (
    CREATED,
    Backfill,
    BackfillDone,
    resume_name,
    resume_number,
    since_of_creation_ms,
    since_of_pause_ms,
)
from chalicelib.core.ids import number_of
from chalicelib.ports import Env
from chalicelib.protocol.numbered_log import NumberedLog
from chalicelib.protocol.records import ControlRecords

_OPEN_BACKFILLS = "backfills/"


@dataclass(frozen=True, slots=True)
class FeedDesiredState:
    """The desired state of a feed, as its log says: paused or not."""

    state: DesiredState = AS_SUBMITTED
    changed_ms: int = 0
    """When the last entry was written, by S3's own time in ms; 0 if there is none."""

    @property
    def paused(self) -> bool:
        return self.state.paused

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
        return f"{_OPEN_BACKFILLS}{_escaped(self.feed_id)}/{name}"

    @property
    def _pause_log(self) -> NumberedLog[PauseLogEntry]:
        return NumberedLog(self.control, self._key("desired/"), PauseLogEntry)

    # --- pause and resume -------------------------------------------------------------------------------------

    def desired(self) -> FeedDesiredState:
        """Return the desired state. It costs one HEAD for a feed that was never paused, and one LIST more for
        others."""
        last = self._pause_log.last_position() if self._pause_log.has(1) else None
        return FeedDesiredState() if last is None else FeedDesiredState(DesiredState(last.number), last.written_ms)

    def stopped(self, desired: FeedDesiredState) -> str:
        """Return why the service has paused the feed, and what to do; "" if it hasn't."""
        if not desired.paused:
            return ""
        entry = self._pause_log.get(desired.state.highest)
        return "" if entry is None else entry.reason

    def set_desired_state(self, kind: PauseLogKind, by: str, reason: str = "") -> None:
        """Write the desired state, unless it is in effect already."""
        number = self.desired().state.number_for(kind)
        if number is None:
            return
        if kind is PauseLogKind.RESUME:
            # Crash after this: a back-fill is on the index, and waits as long as the feed is paused. The next resume
            # has the same number, and so the same back-fill.
            self.control.create(self._marker(resume_name(number)), b"")
        env = self.control.env
        # If another request was faster, it wrote the same entry: the number says which kind it is.
        entry = PauseLogEntry(self.feed_id, number, kind, env.region, env.clock.now_ms(), env.ids.nonce(), by, reason)
        self._pause_log.append(number, entry)

    # --- back-fills ------------------------------------------------------------------------------------------------

    def begin(self, by: str) -> None:
        """Record that the feed is being made, before any Region can know of it. Objects that appear after the time of
        this record, by S3's clock, are the feed's."""
        env = self.control.env
        backfill = Backfill(self.feed_id, CREATED, 0, env.region, env.clock.now_ms(), env.ids.nonce(), by)
        # Crash after this: the record belongs to a feed that doesn't exist, and does nothing. When the feed is made
        # again, it has another id, and a record of its own.
        self.control.create(self._key(f"backfill/{CREATED}"), codec.dumps(backfill))

    def begun(self) -> None:
        """Put the feed's first back-fill on the index, unless it is done, now that the feed is registered. Safe to
        repeat."""
        if self.backfill_done(CREATED) is None:
            self.control.create(self._marker(CREATED), b"")

    def order(self, backfill: Backfill) -> Backfill:
        """Order a back-fill. Return the one that was ordered under its name before, if there is one. Raises KeyReused
        if that one has another `since_ms`."""
        created = self.control.create(self._key(f"backfill/{backfill.name}"), codec.dumps(backfill))
        first = backfill if created.won else codec.loads(created.body, Backfill)
        if first.since_ms != backfill.since_ms:
            raise KeyReused(
                ErrorCode.IDEMPOTENCY_KEY_REUSED, f"this Idempotency-Key was used for another back-fill ({first.name})"
            )
        # Crash here: no sweep knows of the back-fill, and its client got no answer. The client repeats its request, and
        # gets here again.
        if self.backfill_done(backfill.name) is None:
            self.control.create(self._marker(backfill.name), b"")
        return first

    def backfill(self, name: str) -> Backfill | None:
        """Return a back-fill by its name, or None if it has not been requested (yet)."""
        number = resume_number(name)
        if number is None:
            body = self.control.get(self._key(f"backfill/{name}"))
            backfill = None if body is None else codec.loads(body, Backfill)
            return self._dated(backfill) if backfill is not None and name == CREATED else backfill
        entry = self._pause_log.get(number)
        if entry is None:
            return None
        paused_ms = self._pause_log.written_ms(number - 1)
        if paused_ms is None:
            raise Corrupt("RecordVanished", self._pause_log.key(number - 1))
        since_ms = since_of_pause_ms(paused_ms)
        return Backfill(self.feed_id, name, since_ms, entry.region, entry.requested_ms, entry.nonce, entry.by)

    def _dated(self, backfill: Backfill) -> Backfill:
        """Return the back-fill with its start time, which is the time of its record in S3: no clock of ours decides
        it."""
        head = self.control.head(self._key(f"backfill/{backfill.name}"))
        if head is None:
            raise Corrupt("RecordVanished", self._key(f"backfill/{backfill.name}"))
        return replace(backfill, since_ms=since_of_creation_ms(head.facts.last_modified_ms))

    def backfill_done(self, name: str) -> BackfillDone | None:
        body = self.control.get(self._key(f"backfill-done/{name}"))
        return None if body is None else codec.loads(body, BackfillDone)

    def finish(self, backfill_done: BackfillDone) -> None:
        self.control.create(self._key(f"backfill-done/{backfill_done.name}"), codec.dumps(backfill_done))
        # Crash here: the back-fill is done, but still on the index. A sweep finds it done, and removes it from the
        # index.
        self.forget(backfill_done.name)

    def waits_for_nobody(self, name: str) -> bool:
        """Tell whether a back-fill was ordered so long ago, by S3's own clock, that its feed would be known by now if
        it existed. The entry of a removed feed is not kept for longer than that."""
        head = self.control.head(self._marker(name))
        return head is not None and head.age_ms >= self.control.env.policy.removed_kept_ms

    def forget(self, name: str) -> None:
        self.control.env.store.delete(self.control.bucket, self._marker(name))

    def history(self) -> "History":
        """Return the feed's history from names and S3's own times alone. It costs one LIST per thousand records."""
        times: dict[str, int] = {}
        desired, done = FeedDesiredState(), set()
        for facts in self.control.list_all(self._key("")):
            kind, _, name = facts.key.removeprefix(self._key("")).partition("/")
            if kind == "desired":
                desired = FeedDesiredState(DesiredState(number_of(name)), facts.last_modified_ms)
                if not desired.paused:
                    times[resume_name(number_of(name))] = facts.last_modified_ms
            elif kind == "backfill":
                times[name] = facts.last_modified_ms
            elif kind == "backfill-done":
                done.add(name)
        backfills = sorted(times, key=lambda name: (times[name], name), reverse=True)
        return History(desired, tuple(backfills), frozenset(done))


@dataclass(frozen=True, slots=True)
class History:
    """A feed's history. `backfills` are names, the newest first; `done` are the names of those that are done."""

    desired: FeedDesiredState
    backfills: tuple[str, ...]
    done: frozenset[str]


def feeds_to_backfill(control: ControlRecords) -> Iterator[tuple[str, list[str]]]:
    """Yield feed ids, each with the names of its back-fills, the oldest first. It costs one LIST per thousand
    back-fills."""
    backfills: dict[str, list[tuple[int, str]]] = {}
    for facts in control.list_all(_OPEN_BACKFILLS):
        feed_id, _, name = facts.key.removeprefix(_OPEN_BACKFILLS).partition("/")
        backfills.setdefault(unquote(feed_id), []).append((facts.last_modified_ms, name))
    for feed_id in backfills:
        yield feed_id, [name for _, name in sorted(backfills[feed_id])]


def _escaped(feed_id: str) -> str:
    """Return the feed id as a part of a key. The ids of declared feeds may hold any character."""
    return quote(feed_id, safe="")
