"""Rows that stay undecided: what was seen of them round by round, how long they rest, and when they are given up.

A round is one invocation's work on a partition. One that ends with undecided rows leaves a record, `Tried`, which adds
up what those before it say: who comes next reads one record, and nothing in the table decides.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib.core.errors import EftError
from chalicelib.core.leases import AWAITED_MAX, Awaited
from chalicelib.core.model import Outcome, Row, RowOutcome
from chalicelib.core.policy import Policy

REST_MIN_MS = 15_000
"""How long a partition rests after its first round in vain: S3 throttled it, mostly."""
REST_MAX_MS = 15 * 60_000
"""What rests grow to: SQS delays no message for longer (SQS developer guide, "Amazon SQS delay queues")."""
SEEN_CHARACTERS = 200
"""How much of an error's text is kept, so that a record of a thousand rows stays small."""


@dataclass(frozen=True, slots=True)
class TriedRow:
    """A row that stayed undecided. `rounds` are those that count (`Tried`)."""

    index: int
    key: str
    rounds: int
    since_ms: int
    """When its first round in vain ended, by the clock of who worked then. For people."""
    first: str
    last: str
    """What was seen in the first and in the last round."""
    codes: dict[str, int] = field(default_factory=dict)
    """Error code -> in how many rounds it was the last that was seen."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A round's end with undecided rows.

    A round counts for a row unless nobody could have decided it: the row's bucket answered nobody (the job waits for a
    Region), or parts of the row were copied meanwhile (it goes on).
    """

    job_id: str
    part: str
    epoch: int
    region: str
    rounds: int
    """How many rounds there have been in a row in which nothing went on: rests go by them."""
    intents: str
    """What was wanted of the job: when that has changed, nobody waits for the end of the rest."""
    rows: tuple[TriedRow, ...]


@dataclass(frozen=True, slots=True)
class Waited:
    """A look at objects, to plan or to verify them, that ended in vain for the `number`-th time (from 1)."""

    job_id: str
    subject: str
    number: int
    region: str
    at_ms: int
    seen: str


def rest_ms(rounds: int) -> int:
    """How long a partition rests after so many rounds in vain: doubling, up to what SQS can delay."""
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
    """What the next record says of the rows `keys` (index -> key), of which `seen` are the last errors."""
    return tuple(_again(before.get(index), index, keys[index], seen[index], index in counted, now_ms) for index in keys)


def _again(before: TriedRow | None, index: int, key: str, error: EftError, counts: bool, now_ms: int) -> TriedRow:
    codes = dict(before.codes) if before else {}
    codes[error.code] = codes.get(error.code, 0) + 1
    text = seen_text(error)
    first, since = (before.first, before.since_ms) if before else (text, now_ms)
    return TriedRow(index, key, (before.rounds if before else 0) + counts, since, first, text, codes)


def awaited(rows: Iterable[TriedRow]) -> tuple[Awaited, ...]:
    """Those that have been waited for longest."""
    longest = sorted(rows, key=lambda row: (row.since_ms, row.key))[:AWAITED_MAX]
    return tuple(Awaited(row.key, row.since_ms, row.rounds, row.last) for row in longest)


def is_given_up(row: TriedRow, policy: Policy) -> bool:
    return row.rounds >= policy.row_rounds_max


def given_up(row: Row, tried: TriedRow) -> RowOutcome:
    """The end of a row that no number of rounds decides: with what was seen."""
    times = ", ".join(f"{code} {count}" for code, count in sorted(tried.codes.items(), key=lambda item: -item[1]))
    last = f"; last: {tried.last}" if tried.last != tried.first else ""
    detail = f"given up after {tried.rounds} rounds without a decision ({times}); first: {tried.first}{last}"
    return RowOutcome(row.key, Outcome.FAILED, detail)
