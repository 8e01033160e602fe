"""Test the ObjectStore contract: when many clients publish to one key at once, exactly one wins. All safety depends on
this."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from chalicelib.core.errors import NoSuchUpload, NotFound, PreconditionFailed, Retry
from chalicelib.core.objects import Properties
from chalicelib.ports import Placement, SourceRef
from tests.contract.subjects import Subject

RACERS = 20


def race(publish: Callable[[int], object]) -> list[int]:
    """Start all publishers at once, and return those that were told of success. Retry is no success: S3 may answer 409
    to requests that come together, and then the clients send a HEAD and try again."""
    barrier = Barrier(RACERS)

    def run(racer: int) -> bool:
        barrier.wait(timeout=30)
        try:
            publish(racer)
        except (PreconditionFailed, NotFound, NoSuchUpload, Retry):
            return False
        return True

    with ThreadPoolExecutor(RACERS) as pool:
        won = list(pool.map(run, range(RACERS)))
    return [racer for racer in range(RACERS) if won[racer]]


def sources(subject: Subject) -> list[SourceRef]:
    """Return one source for each racer. All have the same size and different contents."""
    puts = [subject.put(f"source-{racer:02}", f"racer {racer:02}".encode()) for racer in range(RACERS)]
    return [SourceRef(subject.plain, put.key, put.etag) for put in puts]


def assert_won(subject: Subject, key: str, winners: list[int]) -> None:
    assert len(winners) == 1
    assert subject.store.get(subject.plain, key) == f"racer {winners[0]:02}".encode()


def test_racing_creates_have_one_winner(subject: Subject) -> None:
    key = subject.key("object")
    winners = race(lambda racer: subject.store.create(subject.plain, key, f"racer {racer:02}".encode()))
    assert_won(subject, key, winners)


def test_racing_copies_have_one_winner(subject: Subject) -> None:
    key, pinned = subject.key("object"), sources(subject)
    winners = race(lambda racer: subject.store.copy(pinned[racer], subject.plain, key, None, Placement()))
    assert_won(subject, key, winners)


def test_racing_copies_over_an_object_have_one_winner(subject: Subject) -> None:
    target, pinned = subject.put("object", b"old"), sources(subject)
    winners = race(lambda racer: subject.store.copy(pinned[racer], subject.plain, target.key, target.etag, Placement()))
    assert_won(subject, target.key, winners)


def test_racing_completes_have_one_winner(subject: Subject) -> None:
    key, pinned = subject.key("object"), sources(subject)
    uploads = [
        subject.store.create_upload(subject.plain, key, Properties(), {}, Placement(), None) for _ in range(RACERS)
    ]
    parts = [
        subject.store.upload_part_copy(upload, 1, source, 0, 7, whole=True)
        for upload, source in zip(uploads, pinned, strict=True)
    ]
    winners = race(lambda racer: subject.store.complete(uploads[racer], [parts[racer]], None, 8, None))
    assert_won(subject, key, winners)


def test_racing_completes_of_one_upload_publish_once(subject: Subject) -> None:
    """Two workers have both adopted the upload. There is one version, whichever of them is told of success."""
    source = subject.put("source", b"racer 00")
    key = subject.key("object")
    upload = subject.store.create_upload(subject.versioned, key, Properties(), {}, Placement(), None)
    pinned = SourceRef(subject.plain, source.key, source.etag)
    part = subject.store.upload_part_copy(upload, 1, pinned, 0, 7, whole=True)
    versions = set()

    def publish(_: int) -> None:
        versions.add(subject.store.complete(upload, [part], None, 8, None).version_id)

    assert race(publish)
    assert len(versions) == 1


def test_creates_racing_copies_have_one_winner(subject: Subject) -> None:
    key, pinned = subject.key("object"), sources(subject)

    def publish(racer: int) -> None:
        if racer % 2:
            subject.store.create(subject.plain, key, f"racer {racer:02}".encode())
        else:
            subject.store.copy(pinned[racer], subject.plain, key, None, Placement())

    assert_won(subject, key, race(publish))


def test_a_pinned_delete_racing_a_copy_never_takes_the_copy(subject: Subject) -> None:
    """Both requests expect the same object. The second one to arrive finds another object, or none."""
    target, pinned = subject.put("object", b"old"), sources(subject)

    def act(racer: int) -> None:
        if racer % 2:
            subject.store.delete_pinned(subject.plain, target.key, target.etag)
        else:
            subject.store.copy(pinned[racer], subject.plain, target.key, target.etag, Placement())

    winners = race(act)
    assert len(winners) == 1
    body = subject.store.get(subject.plain, target.key)
    assert body == (None if winners[0] % 2 else f"racer {winners[0]:02}".encode())
