"""The ObjectStore contract: of many that publish to one key at once, exactly one wins. All safety rests on this."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from chalicelib.core.errors import NoSuchUpload, NotFound, PreconditionFailed, Retry
from chalicelib.core.model import Properties
from chalicelib.ports import Placement, SourceRef
from tests.contract.subjects import Subject

RACERS = 20


def race(publish: Callable[[int], object]) -> list[int]:
    """Let all publish at once; who was told of success. Retry is no success: S3 may answer 409 to those who come
    together, and they look and try again."""
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
    """One for each racer, all of one size and of different content."""
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
    there, pinned = subject.put("object", b"old"), sources(subject)
    winners = race(lambda racer: subject.store.copy(pinned[racer], subject.plain, there.key, there.etag, Placement()))
    assert_won(subject, there.key, winners)


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
    """Two workers that both adopted the upload. Whoever is told of success, there is one version."""
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
    """Both expect the same object: the one that comes second finds another object, or none."""
    there, pinned = subject.put("object", b"old"), sources(subject)

    def act(racer: int) -> None:
        if racer % 2:
            subject.store.delete_pinned(subject.plain, there.key, there.etag)
        else:
            subject.store.copy(pinned[racer], subject.plain, there.key, there.etag, Placement())

    winners = race(act)
    assert len(winners) == 1
    left = subject.store.get(subject.plain, there.key)
    assert left == (None if winners[0] % 2 else f"racer {winners[0]:02}".encode())
