"""Planning rows: looking at both sides as far as a decision needs, and no further."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.core.errors import Archived, Denied, NotFound, Permanent
from chalicelib.core.model import Endpoint, JobSpec, Method, ObjectFacts, Outcome, OverwriteMode, Row, RowOutcome
from chalicelib.core.plan import Look, Sight, look_needed, needs_part_sizes, plan_row, target_key
from chalicelib.ports import Env
from chalicelib.protocol.scan import look_at


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
        try:
            look = look_needed(sight, self.mode, self.source, self.env.policy)
            if look is not None:
                sight = self._look(sight, target, look)
            return plan_row(sight, target, self.mode, self.env.policy)
        except NotFound:
            return None
        except (Denied, Archived, Permanent) as error:
            outcome = Outcome.DENIED if isinstance(error, Denied) else Outcome.FAILED
            facts = sight.source
            decided = RowOutcome(facts.key, outcome, f"can't be looked at: {error}")
            return Row(facts.key, target, facts.size, facts.etag, None, Method.NONE, decided=decided)

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


def plan_rows(env: Env, spec: JobSpec, objects: Sequence[ObjectFacts], target_after: str) -> tuple[Row, ...]:
    """The rows of one page of a job's source. One LIST of the destination; HEADs only where LIST can't tell."""
    planner = Planner(env, spec.source, spec.target, spec.mode)
    targets = [target_key(facts.key, spec.source_prefix, spec.target_prefix) for facts in objects]
    there = look_at(env, spec.target.bucket, spec.target_prefix, target_after, targets)
    sights = [(Sight(facts, there.get(target)), target) for facts, target in zip(objects, targets, strict=True)]
    need_looks = [pair for pair in sights if look_needed(pair[0], spec.mode, spec.source, env.policy)]
    looked = dict(
        zip((t for _, t in need_looks), env.pool.map(lambda pair: planner.row(*pair), need_looks), strict=True)
    )
    rows = (looked[target] if target in looked else planner.row(sight, target) for sight, target in sights)
    return tuple(row for row in rows if row is not None)
