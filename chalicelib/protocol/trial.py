"""Record one worker's round on a partition: which errors its undecided rows had, and which record the round leaves
behind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.core.desired_state import DesiredState
from chalicelib.core.errors import EftError, NoAnswer, Retry, Superseded
from chalicelib.core.ids import aside_of, parent_of
from chalicelib.core.jobs import JobSpec
from chalicelib.core.manifests import Manifest
from chalicelib.core.rows import Outcome, Row, RowOutcome
from chalicelib.core.tries import Tried, TriedRow, awaited, is_given_up, rest_ms, tried_again
from chalicelib.ports import CopyPartition, Env
from chalicelib.protocol.lease import HeldLease
from chalicelib.protocol.retry_budget import answers


@dataclass(slots=True)
class Trial:
    """One epoch's round on a partition. Rows are identified by their index in the manifest."""

    env: Env
    spec: JobSpec
    lease: HeldLease
    desired_state: DesiredState
    """The desired state of the job when the round began."""
    before: Tried | None
    errors: dict[int, EftError] = field(default_factory=dict)
    """Row -> its last error, for rows that are, or were, undecided."""
    stuck: set[int] = field(default_factory=set)
    """Rows of which a whole try failed, and not only one of their upload parts."""
    progressed: set[int] = field(default_factory=set)
    """Rows of which upload parts were copied."""
    given_back: bool = False
    silent: bool = False
    """True if some rows were not tried, since a dependency had not answered for other rows."""
    answered: bool | None = None
    """Whether the source and the target answer at all; None until that is checked."""
    _aside_exists: bool = False

    @classmethod
    def begin(cls, env: Env, spec: JobSpec, lease: HeldLease, desired_state: DesiredState) -> "Trial":
        manifest, records = lease.manifest, lease.records
        before = records.tried(manifest.partition_id) if lease.epoch > 1 else None
        if manifest.aside and before is None:
            before = _inherited(records.tried(parent_of(manifest.partition_id)), manifest)
        if before is not None:
            lease.awaited = awaited(before.rows)
        return cls(env, spec, lease, desired_state, before)

    # --- during the round -------------------------------------------------------------------------------------

    def in_order(self) -> tuple[list[int], list[int]]:
        """Return the undecided rows in two lists: first those without a fruitless try so far, then those with one. The
        second come last, so that they keep no others waiting."""
        tried, undecided = self._before(), self.lease.undecided
        return [index for index in undecided if index not in tried], [index for index in undecided if index in tried]

    def heed_aside(self) -> None:
        """Mark the rows that an earlier worker has set aside: they no longer belong to this partition, even if the
        earlier worker died right after it set them aside."""
        manifest = self.lease.manifest
        if self.before is None or manifest.aside:
            return
        entry = self.lease.records.entry(aside_of(manifest.partition_id))
        if isinstance(entry, Manifest):
            self._leave(entry)
            self._aside_exists = True

    def set_aside(self) -> bool:
        """Move the rows that stay undecided to a partition of their own, if they have kept decided rows waiting for
        long. Return True if no undecided row is left here. Raises Superseded if the partition has its receipt."""
        lease, manifest = self.lease, self.lease.manifest
        rows = [row for row in self._before().values() if row.index not in lease.outcomes]
        due = any(row.rounds >= self.env.policy.set_aside_after_rounds for row in rows)
        if not due or not lease.outcomes or manifest.aside or self._aside_exists or lease.cancelled:
            return False
        lease.check()
        if lease.records.done(manifest.partition_id):
            raise Superseded("Superseded", f"partition {manifest.partition_id} has its receipt")
        indices = tuple(lease.undecided)
        draft = replace(
            manifest,
            partition_id=aside_of(manifest.partition_id),
            last=False,
            rows=tuple(manifest.rows[index] for index in indices),
            region=self.env.region,
            nonce=self.env.ids.nonce(),
            error="",
            filtered=0,
            aside=indices,
        )
        entry = lease.records.create_entry(draft)
        assert isinstance(entry, Manifest), "nobody else writes entries of this name"
        # Crash here: the sweep sees an entry that no worker has claimed, and starts copy. The next worker to claim this
        # partition leaves the entry's rows alone. If some of them were decided meanwhile, the entry's worker finds that
        # out when it looks at them.
        self._leave(entry)
        first = entry.rows[0].key
        self.env.log(
            "set-aside", job=self.spec.job_id, partition_id=manifest.partition_id, rows=len(entry.rows), first=first
        )
        rounds = self.before.rounds if self.before else 1
        self.env.queue.send([CopyPartition.of(self.spec, entry.partition_id, fresh=True)], delay_ms=rest_ms(rounds))
        return not lease.undecided

    def _leave(self, aside: Manifest) -> None:
        for index in aside.aside:
            self.lease.decide(index, RowOutcome(self.lease.manifest.rows[index].key, Outcome.SET_ASIDE))

    def spent(self, index: int) -> TriedRow | None:
        """Return the noted errors of a row that is to be given up without another try, or None for other rows."""
        tried = self._before().get(index)
        return tried if tried and is_given_up(tried, self.env.policy) else None

    def notes(self, index: int) -> "_Notes":
        return _Notes(self, index)

    def undecided(self, index: int, error: Retry) -> None:
        """Note that a row's tries of this round are used up."""
        self.errors.setdefault(index, error)

    def nobody_answers(self, error: NoAnswer) -> None:
        """Note that the source doesn't answer, and that no row is tried. One row is noted as undecided for all of them,
        so that rests grow; the round doesn't count against any row."""
        self.silent, self.answered = True, False
        for index in self.lease.undecided[:1]:
            self.undecided(index, error)

    def forget(self) -> None:
        """Forget the errors so far: the work that follows has another aim."""
        self.errors.clear()
        self.stuck.clear()
        self.progressed.clear()

    def _before(self) -> dict[int, TriedRow]:
        return {row.index: row for row in self.before.rows} if self.before else {}

    # --- the round's end --------------------------------------------------------------------------------------

    def conclude(self, give_up: Callable[[Row, TriedRow], RowOutcome]) -> None:
        """End a round in which every row was tried: give up the rows that have had too many fruitless rounds."""
        rows = self.lease.manifest.rows
        for tried in self._tried():
            if is_given_up(tried, self.env.policy):
                self.env.log("row-given-up", job=self.spec.job_id, key=tried.key, rounds=tried.rounds, last=tried.last)
                self.lease.decide(tried.index, give_up(rows[tried.index], tried))

    def give_back(self) -> None:
        """Release the partition and leave its undecided rows to another epoch. The next epoch begins at once if this
        round had no time for some rows. It begins after a rest otherwise, and also if a dependency did not answer."""
        if self.given_back:
            return
        self.given_back = True
        lease, env, partition_id = self.lease, self.env, self.lease.manifest.partition_id
        tried = self._tried()
        untouched = set(lease.undecided) - {row.index for row in tried}
        rounds = 1 if self.progressed or self.before is None else self.before.rounds + 1
        if tried:
            self._log(tried)
            # Crash before this: the round is not counted. Crash after this: the sweep starts copy when the rest is
            # over.
            lease.records.create_tried(
                Tried(self.spec.job_id, partition_id, lease.epoch, env.region, rounds, self.desired_state, tried)
            )
        lease.awaited = awaited(tried)
        # This spares others the wait for the lease to expire. Crash before the message is sent: the sweep starts copy.
        lease.release()
        delay_ms = 0 if untouched and not self.silent else rest_ms(rounds)
        task = CopyPartition.of(self.spec, partition_id)
        env.queue.send([replace(task, rested_after_epoch=lease.epoch if tried else 0)], delay_ms=delay_ms)

    def _log(self, tried: Sequence[TriedRow]) -> None:
        first = tried[0]
        partition_id = self.lease.manifest.partition_id
        self.env.log(
            "unsettled",
            job=self.spec.job_id,
            partition_id=partition_id,
            rows=len(tried),
            first=f"{first.key}: {first.last}",
        )

    def _tried(self) -> tuple[TriedRow, ...]:
        """Return the notes on the undecided rows that were tried, in this round or before it."""
        before, rows = self._before(), self.lease.manifest.rows
        undecided = set(self.lease.undecided)
        errors = dict(self.errors)  # Copied, since other threads may still write to it.
        keys_by_index = {index: rows[index].key for index in sorted(errors.keys() & undecided)}
        counted = {index for index in keys_by_index if index in self.stuck or index not in self.progressed}
        if counted and not self._answered():
            counted = set()
        again = tried_again(before, keys_by_index, errors, counted=counted, now_ms=self.env.clock.now_ms())
        earlier = (row for index, row in before.items() if index in undecided and index not in keys_by_index)
        return tuple(sorted((*again, *earlier), key=lambda row: row.index))

    def _answered(self) -> bool:
        """Tell whether the source and the target answer at all. If they don't, the job waits for them, however long
        that takes."""
        if self.answered is None:
            self.answered = answers(self.env, self.spec)
        return self.answered


def _inherited(tried: Tried | None, aside: Manifest) -> Tried | None:
    """Return the notes on rows from before they were set aside, for the partition that holds them now."""
    if tried is None:
        return None
    position_of = {index: position for position, index in enumerate(aside.aside)}
    rows = tuple(replace(row, index=position_of[row.index]) for row in tried.rows if row.index in position_of)
    return replace(tried, partition_id=aside.partition_id, epoch=0, rows=rows)


@dataclass(frozen=True, slots=True)
class _Notes:
    """A publisher's notes on one row. Implements `RowNotes`; called by several threads."""

    trial: Trial
    index: int

    def note_error(self, error: EftError, *, of_part: bool = False) -> None:
        self.trial.errors[self.index] = error
        if not of_part:
            self.trial.stuck.add(self.index)

    def note_part_copied(self) -> None:
        self.trial.progressed.add(self.index)
