"""Decides about rows that stay undecided: their record from round to round, how long they rest, and when they are given
up.

A round is one invocation's work on a partition. A round that ends with undecided rows leaves a record, `Tried`. Each
record adds up the ones before it. So the next worker reads one record, and nothing depends on the table.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib.core.desired_state import DesiredState
from chalicelib.core.errors import EftError
from chalicelib.core.leases import AWAITED_MAX, Awaited
from chalicelib.core.policy import Policy
from chalicelib.core.rows import Outcome, Row, RowOutcome

REST_MIN_MS = 15_000
"""How long a partition rests after its first round in vain: mostly S3 throttled it."""
REST_MAX_MS = 15 * 60_000
"""The limit that rests grow to: SQS delays no message for longer (SQS developer guide, "Amazon SQS delay queues")."""
SEEN_CHARACTERS = 200
"""How much of an error's text is kept, so that a record of a thousand rows stays small."""


@dataclass(frozen=True, slots=True)
class TriedRow:
    """A row that stayed undecided. `rounds` is the number of rounds that count (`Tried`)."""

    index: int
    key: str
    rounds: int
    since_ms: int
    """When its first round in vain ended, by that worker's clock. It is for people."""
    first: str
    last: str
    """The errors that were seen in the first and in the last round."""
    codes: dict[str, int] = field(default_factory=dict)
    """Error code -> in how many rounds it was the last error."""


@dataclass(frozen=True, slots=True)
class Tried:
    """The record of a round that ended with undecided rows.

    A round counts for a row, with two exceptions: the row's bucket didn't answer (the job waits for a Region), or
    parts of the row were copied meanwhile (the row makes progress).
    """

    job_id: str
    partition_id: str
    epoch: int
    region: str
    rounds: int
    """How many rounds without progress there have been in a row. The rest depends on this number."""
    desired_state: DesiredState
    """The desired state of the job. If it changes, no worker waits for the end of the rest."""
    rows: tuple[TriedRow, ...]


@dataclass(frozen=True, slots=True)
class Waited:
    """The record that looking at objects, to plan or to verify them, failed for the `number`-th time (from 1)."""

    job_id: str
    subject: str
    number: int
    region: str
    at_ms: int
    seen: str


def rest_ms(rounds: int) -> int:
    """Return how long a partition rests after so many rounds in vain, in milliseconds: doubling, up to what SQS can
    delay."""
    return min(REST_MIN_MS << min(max(0, rounds - 1), 16), REST_MAX_MS)


def seen_text(error: EftError) -> str:
    return str(error)[:SEEN_CHARACTERS]


def tried_again(
    before: Mapping[int, TriedRow],
    keys: Mapping[int, str],
    seen: Mapping[int, EftError],
    *,
    counted: Collection[int],
    now_ms: int,
) -> tuple[TriedRow, ...]:
    """Return the rows of the next record. `keys` maps the index of each undecided row to its key, and `seen` to its
    last error. The round counts for the rows in `counted`."""
    return tuple(_again(before.get(index), index, keys[index], seen[index], index in counted, now_ms) for index in keys)


def _again(before: TriedRow | None, index: int, key: str, error: EftError, counts: bool, now_ms: int) -> TriedRow:
    codes = dict(before.codes) if before else {}
    codes[error.code] = codes.get(error.code, 0) + 1
    last_error = seen_text(error)
    first_error, since_ms = (before.first, before.since_ms) if before else (last_error, now_ms)
    return TriedRow(index, key, (before.rounds if before else 0) + counts, since_ms, first_error, last_error, codes)


def awaited(rows: Iterable[TriedRow]) -> tuple[Awaited, ...]:
    """Return the rows that have been waited for longest."""
    longest = sorted(rows, key=lambda row: (row.since_ms, row.key))[:AWAITED_MAX]
    return tuple(Awaited(row.key, row.since_ms, row.rounds, row.last) for row in longest)


def is_given_up(row: TriedRow, policy: Policy) -> bool:
    return row.rounds >= policy.row_rounds_max


def given_up(row: Row, tried: TriedRow) -> RowOutcome:
    """Return the outcome of a row that no number of rounds decided, with the errors that were seen."""
    times = ", ".join(f"{code} {count}" for code, count in sorted(tried.codes.items(), key=lambda item: -item[1]))
    last = f"; last: {tried.last}" if tried.last != tried.first else ""
    detail = f"given up after {tried.rounds} rounds without a decision ({times}); first: {tried.first}{last}"
    return RowOutcome(row.key, Outcome.FAILED, detail)
