"""Test the ObjectStore contract: a link lets a client without credentials fetch one object for a while."""

import pytest

from chalicelib.core.objects import Properties
from chalicelib.ports import Placement, SourceRef
from tests.contract.subjects import Subject

LINK = {"file_name": "report.csv", "content_type": "text/csv; charset=utf-8"}


@pytest.mark.parametrize("kind", ["plain", "versioned"])
def test_a_link_gives_the_object_as_a_file(subject: Subject, kind: str) -> None:
    bucket = getattr(subject, kind)
    key = subject.key("a report.csv")
    subject.store.create(bucket, key, "ключ,1\r\n".encode())
    fetched = subject.outside.follow(subject.store.presign(bucket, key, expires_s=60, **LINK))
    assert (fetched.status, fetched.body) == (200, "ключ,1\r\n".encode())
    assert fetched.headers["content-type"] == "text/csv; charset=utf-8"
    assert fetched.headers["content-disposition"] == 'attachment; filename="report.csv"'


def test_a_link_says_nothing_of_what_is_there(subject: Subject) -> None:
    url = subject.store.presign(subject.plain, subject.key("later"), expires_s=60, **LINK)
    assert subject.outside.follow(url).status == 404
    subject.store.create(subject.plain, subject.key("later"), b"here")
    assert subject.outside.follow(url).body == b"here"


def test_a_link_is_good_for_what_it_names_alone(subject: Subject) -> None:
    for name in ("mine", "ours"):
        subject.store.create(subject.plain, subject.key(name), b"content")
    url = subject.store.presign(subject.plain, subject.key("mine"), expires_s=60, **LINK)
    assert subject.outside.follow(url.replace("/mine?", "/ours?")).status == 403
    assert subject.outside.follow(url[:-4] + "0000").status == 403


def test_pieces_are_put_together_to_one_object(subject: Subject) -> None:
    """A report is made like this: its parts are copied from objects of the same bucket, and it is published if its key
    is free."""
    bodies = [b"first" * (1024 * 1024 + 1), b"last"]
    for number, body in enumerate(bodies):
        subject.store.create(subject.plain, subject.key(f"piece/{number}"), body)
    pieces = subject.store.list(subject.plain, subject.key("piece/")).objects
    key = subject.key("whole")
    upload = subject.store.create_upload(subject.plain, key, Properties(), {}, Placement(), None)
    parts = [
        subject.store.upload_part_copy(
            upload, number, SourceRef(subject.plain, piece.key, piece.etag), 0, piece.size - 1, whole=True
        )
        for number, piece in enumerate(pieces, start=1)
    ]
    subject.store.complete(upload, parts, None, sum(piece.size for piece in pieces), None)
    assert subject.store.get(subject.plain, key) == b"".join(bodies)
