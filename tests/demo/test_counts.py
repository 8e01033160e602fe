from local.demo.counts import LISTS, WRITES, Counts


def report(*rows):
    names = ("caller", "service", "operation", "bucket", "status", "count")
    return {"requests": [dict(zip(names, row, strict=True)) for row in rows]}


EARLIER = Counts.of(report(("west", "s3", "CopyObject", "target", "2xx", 2)))
LATER = Counts.of(
    report(
        ("west", "s3", "CopyObject", "target", "2xx", 5),
        ("west", "s3", "CopyObject", "target", "4xx", 1),
        ("west", "s3", "ListObjectsV2", "source", "2xx", 3),
        ("west", "s3", "PutObject", "control", "2xx", 7),
        ("west", "sqs", "SendMessageBatch", "", "2xx", 9),
        ("aws", "s3", "PutObject", "source", "2xx", 100),
    )
)


def test_requests_of_some_callers_on_some_buckets():
    product = LATER.s3(callers=["west", "east"])
    assert product.by_operation() == {"CopyObject": 6, "ListObjectsV2": 3, "PutObject": 7}
    assert product.s3(callers=["west"], buckets=["source", "target"]).by_operation() == {
        "CopyObject": 6,
        "ListObjectsV2": 3,
    }


def test_totals_by_kind():
    product = LATER.s3(callers=["west"])
    assert (product.total(WRITES), product.total(LISTS), product.total()) == (13, 3, 16)


def test_what_came_since():
    since = LATER.since(EARLIER).s3(callers=["west"], buckets=["target"])
    assert since.by_operation() == {"CopyObject": 4}
    assert LATER.since(LATER).total() == 0
