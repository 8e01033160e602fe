"""Planning rows: looking at both sides as far as a decision needs, and no further."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.core.errors import EftError, NotFound
from chalicelib.core.model import Endpoint, JobSpec, Method, ObjectFacts, OverwriteMode, Row, RowOutcome
from chalicelib.core.plan import Look, Sight, look_needed, needs_part_sizes, plan_row, target_key
from chalicelib.core.policy import KEY_MAX_BYTES
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

    def row(self, sight: Sight, target: str) -> Row | None:
        """The row, or None if the source has vanished since it was listed. A HEAD that is refused decides the row, not
        the job: one object's policy must not hold up the others."""
        planned = safely(self.env, sight.source.key, lambda: self._plan(sight, target))
        if isinstance(planned, NotFound):
            return None
        return unplannable(sight.source, target, planned) if isinstance(planned, EftError) else planned

    def _plan(self, sight: Sight, target: str) -> Row:
        look = look_needed(sight, self.mode, self.source, self.env.policy)
        if look is not None:
            sight = self._look(sight, target, look)
        return plan_row(sight, target, self.mode, self.env.policy)

    def _look(self, sight: Sight, target: str, look: Look) -> Sight:
        """HEAD what LIST couldn't tell. What is there *now* gets pinned: LIST's facts may be older."""
        source = sight.source
        head = self.env.store.head(self.source.bucket, source.key, version_id=source.version_id)
        if head is None:
            raise NotFound("SourceGone", source.key)
        facts = replace(head.facts, restored=source.restored or head.facts.restored)
        destination = sight.destination
        if look is Look.BOTH:
            there = self.env.store.head(self.target.bucket, target)
            destination = there.facts if there else None
        sizes: Sequence[int] = ()
        if needs_part_sizes(head):
            sizes = self.env.store.part_sizes(self.source.bucket, source.key, facts.version_id)
        return Sight(facts, destination, replace(head, facts=facts), tuple(sizes))


def unplannable(source: ObjectFacts, target: str, error: EftError) -> Row:
    """The row of an object that can't be looked at, on either side."""
    decided = RowOutcome(source.key, outcome_of(error), f"can't be looked at: {error}")
    return Row(source.key, target, source.size, source.etag, None, Method.NONE, decided=decided)


def plan_rows(env: Env, spec: JobSpec, objects: Sequence[ObjectFacts], after: str) -> tuple[Row, ...]:
    """The rows of one page of a job's source, of keys above `after`. One LIST of the destination; HEADs only where LIST
    can't tell."""
    planner = Planner(env, spec.source, spec.target, spec.mode)
    targets = [target_key(facts.key, spec.source_prefix, spec.target_prefix) for facts in objects]
    possible = [target for target in targets if len(target.encode()) <= KEY_MAX_BYTES]
    there = look_at(env, spec.target.bucket, spec.target_prefix, first_bound(spec, after, possible), possible)
    rows: dict[str, Row | None] = {}
    sights: dict[str, Sight] = {}
    for facts, target in zip(objects, targets, strict=True):
        seen = there.get(target)
        if isinstance(seen, EftError):
            rows[target] = unplannable(facts, target, seen)
        else:
            sights[target] = Sight(facts, seen)
    # Rows that need a look are planned side by side.
    slow = [target for target in sights if look_needed(sights[target], spec.mode, spec.source, env.policy)]
    rows.update(zip(slow, env.pool.map(lambda target: planner.row(sights[target], target), slow), strict=True))
    rows.update((target, planner.row(sights[target], target)) for target in sights if target not in rows)
    return tuple(row for target in targets if (row := rows[target]) is not None)
