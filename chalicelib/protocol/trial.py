"""A worker's round on a partition: what was seen of the rows that it doesn't decide, and what it leaves of that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.core.errors import EftError, Retry
from chalicelib.core.intents import Intents
from chalicelib.core.leases import LeasePhase
from chalicelib.core.model import JobSpec, Row, RowOutcome
from chalicelib.core.tries import Tried, TriedRow, is_given_up, rest_ms, tried_again
from chalicelib.ports import Env, Wake
from chalicelib.protocol.lease import Holding


@dataclass(slots=True)
class Trial:
    """One epoch's round. Rows are told apart by their index in the manifest."""

    env: Env
    spec: JobSpec
    holding: Holding
    intents: Intents
    """What was wanted of the job when the round began."""
    before: Tried | None
    seen: dict[int, EftError] = field(default_factory=dict)
    """The last error of rows that are, or were, undecided."""
    stuck: set[int] = field(default_factory=set)
    """Rows of which a try as a whole was in vain, and not just one of their parts."""
    moved: set[int] = field(default_factory=set)
    """Rows of which parts have arrived."""
    given_back: bool = False
    answered: bool | None = None
    """Whether the source and the target answer at all; None until it is asked."""

    @classmethod
    def begin(cls, env: Env, spec: JobSpec, holding: Holding, intents: Intents) -> "Trial":
        before = holding.records.tried(holding.manifest.part) if holding.epoch > 1 else None
        return cls(env, spec, holding, intents, before)

    # --- during the round -------------------------------------------------------------------------------------

    def in_order(self) -> list[int]:
        """The undecided rows; last those that were tried in vain before, so that they keep no others waiting."""
        tried = self._before()
        return sorted(self.holding.undecided, key=lambda index: (index in tried, index))

    def spent(self, index: int) -> TriedRow | None:
        """What was seen of a row that is to be given up without another try."""
        tried = self._before().get(index)
        return tried if tried and is_given_up(tried, self.env.policy) else None

    def notes(self, index: int) -> "_Notes":
        return _Notes(self, index)

    def undecided(self, index: int, error: Retry) -> None:
        """A row's tries are used up."""
        self.seen.setdefault(index, error)

    def forget(self) -> None:
        """What follows has another aim."""
        self.seen.clear()
        self.stuck.clear()
        self.moved.clear()

    def _before(self) -> dict[int, TriedRow]:
        return {row.index: row for row in self.before.rows} if self.before else {}

    # --- the round's end --------------------------------------------------------------------------------------

    def conclude(self, give_up: Callable[[Row, TriedRow], RowOutcome]) -> None:
        """Every row was tried: decide those that were tried in vain often enough."""
        rows = self.holding.manifest.rows
        for tried in self._tried():
            if is_given_up(tried, self.env.policy):
                self.env.log("row-given-up", job=self.spec.job_id, key=tried.key, rounds=tried.rounds, last=tried.last)
                self.holding.decide(tried.index, give_up(rows[tried.index], tried))

    def give_back(self, wake: Wake) -> None:
        """Leave what is undecided to another epoch: at once where there are rows that this one had no time for, else
        after a rest."""
        if self.given_back:
            return
        self.given_back = True
        holding, env = self.holding, self.env
        tried = self._tried()
        untouched = set(holding.undecided) - {row.index for row in tried}
        rounds = 1 if self.moved or self.before is None else self.before.rounds + 1
        if tried:
            self._log(wake, tried)
            # Crash before this: the round is not counted. Crash after it: the sweep wakes copy when the rest is over.
            holding.records.create_tried(
                Tried(self.spec.job_id, wake.part, holding.epoch, env.region, rounds, str(self.intents), tried)
            )
        # So that nobody waits for the lease to expire. Crash before the message: the sweep.
        holding.beat(LeasePhase.RELEASED)
        env.queue.send(
            [replace(wake, rested=holding.epoch if tried else 0)], delay_ms=0 if untouched else rest_ms(rounds)
        )

    def _log(self, wake: Wake, tried: Sequence[TriedRow]) -> None:
        first = tried[0]
        self.env.log("unsettled", job=wake.job_id, part=wake.part, rows=len(tried), first=f"{first.key}: {first.last}")

    def _tried(self) -> tuple[TriedRow, ...]:
        """What there is to say of the undecided rows that were tried, in this round or before it."""
        before, rows = self._before(), self.holding.manifest.rows
        undecided = set(self.holding.undecided)
        seen = dict(self.seen)  # Threads may still be at it.
        now = {index: rows[index].key for index in sorted(seen.keys() & undecided)}
        counted = {index for index in now if index in self.stuck or index not in self.moved}
        if counted and not self._answered():
            counted = set()
        again = tried_again(before, now, seen, counted=counted, now_ms=self.env.clock.now_ms())
        kept = (row for index, row in before.items() if index in undecided and index not in now)
        return tuple(sorted((*again, *kept), key=lambda row: row.index))

    def _answered(self) -> bool:
        """Do the source and the target answer at all? If not, the job waits for them, however long that takes."""
        if self.answered is None:
            self.answered = self._ask()
        return self.answered

    def _ask(self) -> bool:
        for bucket, prefix in (
            (self.spec.source.bucket, self.spec.source_prefix),
            (self.spec.target.bucket, self.spec.target_prefix),
        ):
            try:
                self.env.store.list(bucket, prefix, limit=1)
            except Retry as error:
                self.env.log("bucket-not-answering", job=self.spec.job_id, bucket=bucket.name, error=str(error))
                return False
            except EftError:
                pass  # It answers.
        return True


@dataclass(frozen=True, slots=True)
class _Notes:
    """What a publisher says of one row. Implements `RowNotes`; called by several threads."""

    trial: Trial
    index: int

    def saw(self, error: EftError, *, of_part: bool = False) -> None:
        self.trial.seen[self.index] = error
        if not of_part:
            self.trial.stuck.add(self.index)

    def went_on(self) -> None:
        self.trial.moved.add(self.index)
