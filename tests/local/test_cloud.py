"""The deployed stacks are wired as the template says, under enforced policies."""

import itertools
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from local.cloud import Cloud
from local.deploy import SCHEDULED
from local.gateway.launch import EAST, WEST
from local.issuer import Issuer
from local.receiver import Receiver
from local.wait import wait_until

pytestmark = pytest.mark.cloud

FUNCTION_OF_QUEUE = {
    "eft-intake": "eft-intake",
    "eft-hints": "eft-intake",
    "eft-split": "eft-split",
    "eft-copy": "eft-copy",
    "eft-verify": "eft-verify",
    "eft-notify": "eft-notify",
}


def call(
    cloud: Cloud, path: str, body: Any = None, token: str | None = None, method: str | None = None
) -> tuple[int, Any]:
    return call_at(cloud.api_url, path, body, token, method)


def call_at(
    api_url: str, path: str, body: Any = None, token: str | None = None, method: str | None = None
) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(api_url + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=35) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def exists(s3: Any, bucket: str, key: str) -> bool:
    return any(entry["Key"] == key for entry in s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", []))


def has_item(dynamodb: Any, pk: str) -> bool:
    return "Item" in dynamodb.get_item(TableName="eft", Key={"pk": {"S": pk}, "sk": {"S": "x"}})


@pytest.mark.parametrize("side", ["west", "east"])
def test_each_region_counts_requests(cloud: Cloud, side: str) -> None:
    """If requests could not be counted, for lack of a permission, say, they would be answered without a word."""
    headers = {"Authorization": f"Bearer {cloud.token(tenant=f'counted-{side}')}"}
    remaining = []
    for _ in range(2):
        request = urllib.request.Request(f"{cloud.regions[side].api_url}/endpoints", headers=headers)
        with urllib.request.urlopen(request, timeout=35) as answer:
            remaining.append(int(answer.headers["RateLimit-Remaining"]))
    assert remaining[0] - remaining[1] == 1


@pytest.mark.parametrize("region", [WEST, EAST])
def test_each_queue_feeds_its_function(cloud: Cloud, region: str) -> None:
    mappings = cloud.client("lambda", region).list_event_source_mappings()["EventSourceMappings"]
    wires = {mapping["EventSourceArn"].split(":")[-1]: mapping for mapping in mappings}
    assert set(wires) == {*FUNCTION_OF_QUEUE}
    for queue, mapping in wires.items():
        assert mapping["FunctionArn"].endswith(f"{region}:000000000000:function:{FUNCTION_OF_QUEUE[queue]}")
        assert mapping["State"] == "Enabled"
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["ScalingConfig"]["MaximumConcurrency"] <= 3


@pytest.mark.parametrize("side", ["west", "east"])
def test_a_new_source_object_is_told_both_ways(cloud: Cloud, side: str) -> None:
    region = cloud.regions[side]
    sqs, lambda_, s3 = (cloud.client(service, region.region) for service in ("sqs", "lambda", "s3"))
    mappings = lambda_.list_event_source_mappings(FunctionName="eft-intake")["EventSourceMappings"]
    (mapping,) = [mapping for mapping in mappings if mapping["EventSourceArn"].endswith(":eft-intake")]
    lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        queue = sqs.get_queue_url(QueueName="eft-intake")["QueueUrl"]
        s3.put_object(Bucket=region.source_bucket, Key="told/both ways.txt", Body=b"x")
        bodies: list[str] = []

        def both() -> bool:
            bodies.extend(m["Body"] for m in sqs.receive_message(QueueUrl=queue).get("Messages", []))
            notices = [body for body in bodies if "told/" in body]
            return any('"Records"' in body for body in notices) and any("Object Created" in body for body in notices)

        wait_until(both, "a notification and an event", 20.0)
    finally:
        lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def test_the_table_is_one_in_both_regions(cloud: Cloud) -> None:
    west, east = cloud.client("dynamodb", WEST), cloud.client("dynamodb", EAST)
    west.put_item(TableName="eft", Item={"pk": {"S": "TEST#w"}, "sk": {"S": "x"}})
    east.put_item(TableName="eft", Item={"pk": {"S": "TEST#e"}, "sk": {"S": "x"}})
    wait_until(lambda: has_item(east, "TEST#w"), "West's item is in East", 10.0)
    wait_until(lambda: has_item(west, "TEST#e"), "East's item is in West", 10.0)


def test_api_wants_a_token(cloud: Cloud) -> None:
    assert call(cloud, "/health")[0] == 200
    assert call(cloud, "/jobs")[0] == 401
    assert call(cloud, "/jobs", token=cloud.token())[0] == 200
    assert call(cloud, "/jobs", token="forged")[0] in (401, 403)


def test_a_dropped_file_arrives_under_enforced_policies(cloud: Cloud) -> None:
    west, s3 = cloud.regions["west"], cloud.client("s3")
    s3.put_object(
        Bucket=west.source_bucket,
        Key="inbox/report.csv",
        Body=b"a,b\n",
        ContentType="text/csv",
        Metadata={"from": "ann"},
    )
    wait_until(lambda: exists(s3, west.target_bucket, "inbox/report.csv"), "delivered", 30.0)
    arrived = s3.get_object(Bucket=west.target_bucket, Key="inbox/report.csv")
    assert arrived["Body"].read() == b"a,b\n"
    assert (arrived["ContentType"], arrived["Metadata"]) == ("text/csv", {"from": "ann"})


def test_a_job_across_regions_with_multipart_under_enforced_policies(cloud: Cloud) -> None:
    west, east, s3 = cloud.regions["west"], cloud.regions["east"], cloud.client("s3")
    s3.put_object(Bucket=west.source_bucket, Key="job/large", Body=b"x" * 12 * 1024 * 1024, Tagging="k=v")
    s3.put_object(Bucket=west.source_bucket, Key="job/small", Body=b"x")
    ends = {"source": {"endpoint": "west-source", "prefix": "job/"}, "target": {"endpoint": "east-target"}}
    status, job = call(cloud, "/jobs", ends, cloud.token())
    assert status == 201, job

    def settled() -> bool:
        job.update(call(cloud, f"/jobs/{job['id']}", token=cloud.token())[1])
        return job["state"] not in ("PLANNING", "RUNNING")

    wait_until(settled, "the job settles", 60.0)
    objects = call(cloud, f"/jobs/{job['id']}/objects", token=cloud.token())[1]
    assert (job["state"], job["outcomes"]) == ("SUCCEEDED", {"COPIED": 2}), json.dumps(objects)
    large = cloud.client("s3", EAST).head_object(Bucket=east.target_bucket, Key="large")
    assert large["ContentLength"] == 12 * 1024 * 1024
    assert large["ETag"].strip('"').endswith("-3")


@pytest.mark.parametrize("side", ["west", "east"])
def test_an_endpoint_is_tried_under_enforced_policies(cloud: Cloud, side: str) -> None:
    """The API's own role can list, read and write in both Regions' buckets."""
    stack = cloud.regions[side]
    cloud.client("s3").put_object(Bucket=stack.source_bucket, Key="tried/there", Body=b"x")
    owner = cloud.client("sts").get_caller_identity()["Account"]
    for bucket, access in ((stack.source_bucket, "read"), (stack.target_bucket, "write")):
        body = {"bucket": bucket, "region": stack.region, "owner_account": owner, "prefix": "tried/", "access": access}
        status, answer = call(cloud, f"/endpoints/{side}-{access}", body, cloud.token(), "PUT")
        assert status == 201, answer
    assert cloud.client("s3").list_multipart_uploads(Bucket=stack.target_bucket).get("Uploads", []) == []


def test_a_job_that_deletes_under_enforced_policies(cloud: Cloud) -> None:
    west, east, s3 = cloud.regions["west"], cloud.regions["east"], cloud.client("s3")
    target = cloud.client("s3", EAST)
    s3.put_object(Bucket=west.source_bucket, Key="mirror/here", Body=b"here")
    for key in ("mirrored/stray", "mirrored/ä b+c", "beside/stray"):
        target.put_object(Bucket=east.target_bucket, Key=key, Body=b"stray")
    wish = {
        "source": {"endpoint": "west-source", "prefix": "mirror/"},
        "target": {"endpoint": "east-target", "prefix": "mirrored/"},
        "delete": {"consent": "DELETE-AT-TARGET", "max_objects": 2},
    }
    status, job = call(cloud, "/jobs", wish, cloud.token())
    assert status == 201, job

    def settled() -> bool:
        job.update(call(cloud, f"/jobs/{job['id']}", token=cloud.token())[1])
        return job["state"] not in ("PLANNING", "RUNNING")

    wait_until(settled, "the job settles", 60.0)
    objects = call(cloud, f"/jobs/{job['id']}/objects", token=cloud.token())[1]
    assert (job["state"], job["outcomes"]) == ("SUCCEEDED", {"COPIED": 1, "DELETED": 2}), json.dumps(objects)
    kept_keys = [
        key
        for key in ("mirrored/here", "mirrored/stray", "mirrored/ä b+c", "beside/stray")
        if exists(target, east.target_bucket, key)
    ]
    assert kept_keys == ["mirrored/here", "beside/stray"]


@pytest.mark.parametrize("side", ["west", "east"])
def test_a_webhook_is_told_under_enforced_policies(cloud: Cloud, side: str) -> None:
    """A test event is posted, tried again in vain, given up, and the webhook is disabled. The function may do no
    more."""
    stack, name = cloud.regions[side], f"to-{side}"
    receiver = Receiver(*cloud.certificate, answers=(204, 500, 503, 410))
    body = {"url": receiver.url, "events": ["delivery.failed"]}
    assert call_at(stack.api_url, f"/webhooks/{name}", body, cloud.token(), "PUT")[0] == 201

    def shown(field: str) -> Any:
        return call_at(stack.api_url, f"/webhooks/{name}", None, cloud.token())[1][field]

    def send_test() -> None:
        assert call_at(stack.api_url, f"/webhooks/{name}/test", None, cloud.token(), "POST")[0] == 202

    send_test()
    wait_until(lambda: shown("last_success_at") is not None, "it was posted", 60)
    send_test()
    wait_until(lambda: shown("consecutive_failures") == 2, "it was tried twice in vain", 60)
    sqs = cloud.client("sqs", stack.region)
    dead = sqs.get_queue_url(QueueName="eft-notify-dead-letters")["QueueUrl"]
    [given_up] = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=10)["Messages"]
    assert receiver.posts[-1].headers["webhook-id"] in given_up["Body"]
    send_test()
    wait_until(lambda: shown("state") == "disabled", "it is disabled", 60)
    receiver.stop()


@pytest.mark.parametrize("region", [WEST, EAST])
def test_sweep_runs_under_enforced_policies(cloud: Cloud, region: str) -> None:
    rules = cloud.client("events", region).list_rules()["Rules"]
    assert [rule["ScheduleExpression"] for rule in rules if "ScheduleExpression" in rule] == ["rate(1 minute)"]
    answer = cloud.client("lambda", region).invoke(FunctionName="eft-sweep", Payload=json.dumps(SCHEDULED))
    assert "FunctionError" not in answer, answer["Payload"].read()
    assert "AccessDenied" not in (cloud.run.function_logs / region / "sweep.log").read_text()


def test_a_rotation_of_the_issuers_keys_under_enforced_policies(cloud: Cloud) -> None:
    old_token = cloud.token()
    Issuer.load(cloud.run.issuer_file).rotate()
    tries = itertools.count()

    def known() -> bool:
        for region in (WEST, EAST):
            cloud.client("lambda", region).invoke(FunctionName="eft-sweep", Payload=json.dumps(SCHEDULED))
        # The tenant is another one each time, since API Gateway remembers the authorizer's answer for a token.
        token = cloud.token(tenant=f"tenant-{next(tries)}")
        return all(call_at(side.api_url, "/jobs", token=token)[0] == 200 for side in cloud.regions.values())

    wait_until(known, "both Regions accept tokens of the new key", 60.0)
    assert [call_at(side.api_url, "/jobs", token=old_token)[0] for side in cloud.regions.values()] == [200, 200]


def test_function_logs_are_files(cloud: Cloud) -> None:
    assert (cloud.run.function_logs / WEST / "api.log").is_file()
