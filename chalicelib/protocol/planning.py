"""Plan rows. Planning reads both sides as far as a decision needs it, and no further."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.errors import EftError, NotFound
from chalicelib.core.inputs import Named
from chalicelib.core.jobs import CancelMode, JobSpec
from chalicelib.core.keyrange import just_below
from chalicelib.core.objects import ObjectFacts, ObjectHead
from chalicelib.core.plan import Look, ObjectPair, look_needed, needs_part_sizes, plan_row, target_key
from chalicelib.core.policy import KEY_MAX_BYTES
from chalicelib.core.rows import Method, Outcome, OverwriteMode, Row, RowOutcome
from chalicelib.ports import Env
from chalicelib.protocol.poison import outcome_of, safely
from chalicelib.protocol.scan import first_bound, look_at


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans rows from one endpoint to another under a mode."""

    env: Env
    source: Endpoint
    target: Endpoint
    mode: OverwriteMode
    since_ms: int | None = None
    """When the job was accepted, in ms, if it may name a key twice (`core.plan.plan_row`)."""
    strict: bool = False
    """Plan only copies that can be revoked."""
    every_object: bool = False

    def look_needed(self, pair: ObjectPair) -> Look | None:
        return look_needed(
            pair,
            self.mode,
            self.source,
            self.env.policy,
            self.since_ms,
            strict=self.strict,
            every_object=self.every_object,
        )

    def row(self, pair: ObjectPair, target: str) -> Row | None:
        """Return the row, or None if the source has vanished since it was listed. If a HEAD is refused, that decides
        the row and not the job: one object's policy must not hold up the others."""
        planned = safely(self.env, pair.source.key, lambda: self._plan(pair, target))
        if isinstance(planned, NotFound):
            return None
        return unplannable(pair.source, target, planned) if isinstance(planned, EftError) else planned

    def _plan(self, pair: ObjectPair, target: str) -> Row:
        look = self.look_needed(pair)
        if look is not None:
            pair = self._look(pair, target, look)
        return plan_row(pair, target, self.mode, self.env.policy, self.since_ms, strict=self.strict)

    def _look(self, pair: ObjectPair, target: str, look: Look) -> ObjectPair:
        """Send a HEAD to the sides that LIST didn't show well enough. The row pins the facts that HEAD shows now:
        LIST's facts may be older."""
        source, destination = pair.source, pair.destination
        if look is Look.BOTH:
            # The destination is read before the source. So the pinned source is never older than the object that it may
            # replace.
            target_head = self.env.store.head(self.target.bucket, target)
            destination = target_head.facts if target_head else None
        source_head = self.env.store.head(self.source.bucket, source.key, version_id=source.version_id)
        if source_head is None:
            raise NotFound("SourceGone", source.key)
        facts = replace(source_head.facts, restored=source.restored or source_head.facts.restored)
        sizes: Sequence[int] = ()
        if needs_part_sizes(source_head):
            sizes = self.env.store.part_sizes(self.source.bucket, source.key, facts.version_id)
        return ObjectPair(facts, destination, replace(source_head, facts=facts), tuple(sizes))


def unplannable(source: ObjectFacts, target: str, error: EftError) -> Row:
    """Return the row of an object that can't be read, on either side."""
    decided = RowOutcome(source.key, outcome_of(error), f"can't be looked at: {error}")
    return Row(source.key, target, source.size, source.etag, None, Method.NONE, decided=decided)


def _nameless(source: ObjectFacts) -> Row:
    """Return the row of an object whose key is just the source's prefix, where the target's prefix is empty."""
    detail = "its key is the source's prefix itself, so it has no name below an empty target prefix: copy it by keys"
    decided = RowOutcome(source.key, Outcome.FAILED, detail)
    return Row(source.key, "", source.size, source.etag, None, Method.NONE, decided=decided)


@dataclass(frozen=True, slots=True)
class Cut:
    """The content of the next entry of a job's manifest log, and the position at which the entry after it begins."""

    rows: tuple[Row, ...]
    upto: str
    last: bool
    filtered: int = 0
    error: str = ""


def plan_rows(env: Env, spec: JobSpec, objects: Sequence[ObjectFacts], after: str) -> tuple[Row, ...]:
    """Return the rows for one page of a job's source, whose keys are above `after`. It costs one LIST of the
    destination, and HEADs only where LIST doesn't show enough."""
    rows = _rows(env, spec, _planner(env, spec), objects, after)
    return tuple(row for row in rows.values() if row is not None)


def _planner(env: Env, spec: JobSpec, since_ms: int | None = None) -> Planner:
    strict = spec.cancel_mode is CancelMode.STRICT
    return Planner(env, spec.source, spec.target, spec.mode, since_ms, strict, spec.every_object)


def _rows(
    env: Env, spec: JobSpec, planner: Planner, objects: Sequence[ObjectFacts], after: str
) -> dict[str, Row | None]:
    """Return source key -> row, in the order of `objects`, which is that of their keys. A row is None if its object has
    vanished meanwhile."""
    targets = {target_key(facts.key, spec.source_prefix, spec.target_prefix): facts for facts in objects}
    possible = [target for target in targets if 0 < len(target.encode()) <= KEY_MAX_BYTES]
    destinations = look_at(env, spec.target.bucket, spec.target_prefix, first_bound(spec, after, possible), possible)
    rows: dict[str, Row | None] = {}
    pairs: dict[str, ObjectPair] = {}
    for target, facts in targets.items():
        destination = destinations.get(target)
        if not target:
            rows[target] = _nameless(facts)
        elif isinstance(destination, EftError):
            rows[target] = unplannable(facts, target, destination)
        else:
            pairs[target] = ObjectPair(facts, destination)
    # Rows that need a HEAD are planned in parallel.
    slow = [target for target in pairs if planner.look_needed(pairs[target])]
    rows.update(zip(slow, env.pool.map(lambda target: planner.row(pairs[target], target), slow), strict=True))
    rows.update((target, planner.row(pairs[target], target)) for target in pairs if target not in rows)
    return {facts.key: rows[target] for target, facts in targets.items()}


def plan_named(env: Env, spec: JobSpec, named: Sequence[Named], since_ms: int) -> tuple[Row, ...]:
    """Return a row for each of `named`, in their order; they must not name a key twice. An object that doesn't exist
    gets a row too: SOURCE_GONE."""
    sources = _look_at_sources(env, spec, named)
    objects = [facts for _, facts in sorted(sources.items()) if not isinstance(facts, EftError)]
    rows = _rows(env, spec, _planner(env, spec, since_ms), objects, "")
    return tuple(_row_of(spec, name, sources.get(name.key), rows.get(name.key)) for name in named)


def _look_at_sources(env: Env, spec: JobSpec, named: Sequence[Named]) -> dict[str, ObjectFacts | EftError]:
    """Return the facts of the named objects: by LIST where they lie close together, by HEAD where they don't, and where
    a version is named."""
    bucket = spec.source.bucket
    keys = sorted(name.key for name in named if name.version_id is None)
    sources = look_at(env, bucket, spec.source_prefix, just_below(keys[0]), keys) if keys else {}
    pinned = [name for name in named if name.version_id is not None]

    def look(name: Named) -> ObjectHead | EftError | None:
        return safely(env, name.key, lambda: env.store.head(bucket, name.key, version_id=name.version_id))

    for name, head in zip(pinned, env.pool.map(look, pinned), strict=True):
        if isinstance(head, EftError):
            sources[name.key] = head
        elif head is not None:
            sources[name.key] = replace(head.facts, key=name.key, version_id=name.version_id)
    return sources


def _row_of(spec: JobSpec, name: Named, source: ObjectFacts | EftError | None, planned: Row | None) -> Row:
    if planned is not None:
        return replace(planned, version_named=name.version_id is not None)
    target = target_key(name.key, spec.source_prefix, spec.target_prefix)
    nothing = ObjectFacts(name.key, 0, "", version_id=name.version_id)
    if isinstance(source, EftError):
        row = unplannable(nothing, target, source)
    else:
        gone = RowOutcome(name.key, Outcome.SOURCE_GONE, "there is no such object")
        row = Row(name.key, target, 0, "", None, Method.NONE, decided=gone)
    return replace(row, version_id=name.version_id, version_named=name.version_id is not None)
