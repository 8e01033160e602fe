"""Make SQS events as Lambda hands them over (developer guide, "Using Lambda with Amazon SQS"), with S3's messages in
them."""

import json
from typing import Any
from urllib.parse import quote_plus

from chalicelib.protocol import messages


def record(message_id: str, body: str) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "receiptHandle": "AQEB",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:eft-intake",
        "awsRegion": "us-gov-west-1",
    }


def event(*bodies: str) -> dict[str, Any]:
    """Return a batch. Its messages have the ids m0, m1 and so on."""
    return {"Records": [record(f"m{number}", body) for number, body in enumerate(bodies)]}


def ours(*commands: messages.Message) -> dict[str, Any]:
    return event(*map(messages.dumps, commands))


def failures(response: object) -> list[str]:
    """Return the ids of the messages that are reported as failed."""
    assert isinstance(response, dict)
    assert response.keys() == {"batchItemFailures"}
    reported = [item["itemIdentifier"] for item in response["batchItemFailures"]]
    assert all(reported), "Lambda would take an empty identifier for the whole batch"
    return reported


def s3_record(bucket: str, key: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """Return a record about the object `key`. In the record the key is form-urlencoded (S3 user guide, "Event message
    structure")."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-gov-west-1",
        "eventName": name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": bucket, "arn": f"arn:aws-us-gov:s3:::{bucket}"},
            "object": {"key": quote_plus(key), "size": 1, "eTag": "e", "sequencer": "0055AED6DCD90281E5"},
        },
    }


def notification(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": list(records)})


def bridge(bucket: str, key: str, detail_type: str = "Object Created") -> str:
    """Return the message that an EventBridge rule puts on the queue. The key is not encoded (EventBridge user
    guide)."""
    return json.dumps(
        {
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": detail_type,
            "source": "aws.s3",
            "account": "123456789012",
            "time": "2026-11-12T00:00:00Z",
            "region": "us-gov-west-1",
            "resources": [f"arn:aws-us-gov:s3:::{bucket}"],
            "detail": {
                "version": "0",
                "bucket": {"name": bucket},
                "object": {"key": key, "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "0061"},
                "reason": "PutObject",
            },
        }
    )


TEST_EVENT = json.dumps(
    {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2026-11-12T00:00:00.000Z",
        "Bucket": "source-west",
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
    }
)
