"""Keep a settled job's reports in its control bucket. They are create-only, and made of immutable records, so all
makers write the same. Under `report/<job id>/<format>-<rendering>/`:

    piece/<n>.<rows>.<partition>  the n-th piece of a report of more than one, up to and with the partition; its name
                                  says where the next one begins, so that any maker can continue after it
    carry/<n>.<rows>.<partition>  the beginning of the n-th piece, where its maker ran out of time
    whole                         the whole report, in one object
    made                          the report's metadata: a report without this is not there yet

All of it may be deleted at any time, as the bucket's lifecycle rule does. It is made again when it is asked for.
"""

from dataclasses import dataclass

from chalicelib.core import codec
from chalicelib.core.errors import Corrupt
from chalicelib.core.jobs import ReportMade
from chalicelib.core.objects import Bucket
from chalicelib.core.report import RENDERING, Rendered, ReportFormat
from chalicelib.protocol.records import ControlRecords


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece as LIST shows it."""

    key: str
    rows: int
    upto: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class ReportRecords:
    """One report of one job."""

    control: ControlRecords
    job_id: str
    format: ReportFormat

    @property
    def bucket(self) -> Bucket:
        return self.control.bucket

    def _key(self, name: str) -> str:
        return f"report/{self.job_id}/{self.format}-{RENDERING}/{name}"

    @property
    def whole(self) -> str:
        return self._key("whole")

    def is_whole(self) -> bool:
        return self.control.env.store.head(self.bucket, self.whole) is not None

    def made(self) -> ReportMade | None:
        """Return the report's metadata, or None if the report can't be fetched: its metadata may outlive it by a
        day."""
        body = self.control.get(self._key("made"))
        return None if body is None or not self.is_whole() else codec.loads(body, ReportMade)

    def create_made(self, metadata: ReportMade) -> None:
        self.control.create(self._key("made"), codec.dumps(metadata))

    def create_whole(self, body: bytes) -> None:
        if self.control.create(self.whole, body).body != body:
            raise Corrupt("ReportDiffers", f"{self.whole} is not what its records say")

    def pieces(self) -> list[Piece]:
        """Return the pieces from the first one up to the first gap."""
        pieces: list[Piece] = []
        for facts in self.control.list_all(self._key("piece/")):
            ordinal, rows, partition_id = facts.key.rsplit("/", 1)[1].split(".")
            if int(ordinal) != len(pieces) + 1:
                break
            pieces.append(Piece(facts.key, int(rows), partition_id, facts.size, facts.etag))
        return pieces

    def create_piece(self, draft: "Draft") -> None:
        self.control.create(self._key(f"piece/{draft.name}"), draft.body)

    def create_carry(self, draft: "Draft") -> None:
        self.control.create(self._key(f"carry/{draft.name}"), draft.body)

    def carried(self, ordinal: int) -> "Draft | None":
        """Return the furthest beginning of a piece that a maker has left behind, or None."""
        prefix = self._key(f"carry/{ordinal:06d}.")
        keys = [facts.key for facts in self.control.list_all(prefix)]
        if not keys:
            return None
        key = max(keys, key=lambda name: name.rsplit(".", 1)[1])
        rows, partition_id = key.removeprefix(prefix).split(".")
        body = self.control.get(key)
        return None if body is None else Draft(ordinal, body, int(rows), partition_id)


@dataclass(frozen=True, slots=True)
class Draft:
    """A piece in the making: the content of the partitions after the previous piece, up to and with `upto`."""

    ordinal: int
    body: bytes
    rows: int
    upto: str

    @property
    def name(self) -> str:
        return f"{self.ordinal:06d}.{self.rows}.{self.upto}"

    def and_then(self, partition_id: str, rendered: Rendered) -> "Draft":
        return Draft(self.ordinal, self.body + rendered.body, self.rows + rendered.rows, partition_id)

    def next(self) -> "Draft":
        return Draft(self.ordinal + 1, b"", 0, self.upto)
