"""Keep a numbered log: create-only records in a control bucket, one key for each entry.

The key of entry n is the log's prefix and n in six digits, so a LIST shows the entries in their order. If several
writers want the same number, S3's create-only PUT decides. The others learn it from the answer and follow the entry
that is there. No entry ever changes or disappears.

The logs differ in how a writer chooses its number:

    reg/<object>/<generation>                the number after the last one; the loser reads the register again
    jobs/<job>/claim/<partition>/<epoch>     the number after the last one; the loser doesn't get the partition
    jobs/<job>/desired/<n>                   the number after the last one; the loser's entry would have said the same
    feeds/<feed>/desired/<n>                 likewise
    jobs/<job>/waits/<step>-<partition>/<n>  the number after the last one; the loser's round is not counted
    jobs/<job>/tried/<partition>/<epoch>     the epoch of the writer's claim: no other worker writes that number
    jobs/<job>/copied/<partition>/<epoch>    likewise

Tried and copied records may therefore skip numbers. Three other kinds of create-only records are no numbered logs,
because their names say more than a number. The entries of manifest logs are named by range and ordinal, and LIST shows
those of all ranges as one sequence (`records`). A schedule's decisions are named by their time, the latest first
(`schedules`). The name of a report's piece also says which partition the piece ends with (`reports`).
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from chalicelib.core import codec
from chalicelib.core.errors import NotFound
from chalicelib.core.ids import number_name, number_of
from chalicelib.protocol.control_bucket import ControlBucket

R = TypeVar("R", bound=codec.Record)


@dataclass(frozen=True, slots=True)
class Position:
    """An entry as LIST shows it: its number, and when S3 wrote it, in ms since the epoch by S3's own clock."""

    number: int
    written_ms: int


@dataclass(frozen=True, slots=True)
class NumberedLog(Generic[R]):
    """One log. `prefix` ends in "/"; `kind` is the type of its entries."""

    control: ControlBucket
    prefix: str
    kind: type[R]

    def key(self, number: int) -> str:
        return f"{self.prefix}{number_name(number)}"

    def append(self, number: int, entry: R) -> bool:
        """Write an entry under a number. Return False if another entry has that number.

        If the answer is lost, the entry is read: it is the caller's own if it equals what the caller wrote. So each
        kind of entry that several workers may write carries a nonce. Raises Retry if the bucket can't be reached.
        """
        return self.control.create(self.key(number), codec.dumps(entry)).won

    def get(self, number: int) -> R | None:
        """Return an entry, or None if it isn't written. It costs one GET."""
        body = self.control.get(self.key(number))
        return None if body is None else codec.loads(body, self.kind)

    def has(self, number: int) -> bool:
        """Tell whether an entry is written. It costs one HEAD."""
        return self.written_ms(number) is not None

    def written_ms(self, number: int) -> int | None:
        """Return when S3 wrote an entry, in ms since the epoch by S3's own clock, or None if it isn't written. It costs
        one HEAD."""
        head = self.control.head(self.key(number))
        return None if head is None else head.facts.last_modified_ms

    def positions(self) -> list[Position]:
        """Return all entries as LIST shows them, in their order. It costs one LIST per thousand entries."""
        objects = self.control.list_all(self.prefix)
        return [Position(number_of(facts.key.removeprefix(self.prefix)), facts.last_modified_ms) for facts in objects]

    def last_position(self) -> Position | None:
        """Return the entry with the highest number as LIST shows it, or None if there is none. Costs as `positions`."""
        return max(self.positions(), key=lambda position: position.number, default=None)

    def last_number(self) -> int:
        """Return the highest number; 0 if there is no entry. Costs as `positions`."""
        last = self.last_position()
        return 0 if last is None else last.number

    def last(self) -> R | None:
        """Return the entry with the highest number, or None if there is none. Costs as `positions`, and one GET."""
        last = self.last_position()
        return None if last is None else self.get(last.number)

    def entries(self) -> dict[int, R]:
        """Return all entries by their numbers: those that ONE LIST showed, and no later ones. Costs as `positions`, and
        one GET an entry. Raises NotFound if an entry has vanished, which never happens to a create-only record."""
        entries: dict[int, R] = {}
        for position in self.positions():
            entry = self.get(position.number)
            if entry is None:
                raise NotFound("RecordVanished", self.key(position.number))
            entries[position.number] = entry
        return entries
