"""A Region dies, freezes, is cut off from the other one and returns, on real processes, in the middle of a copy."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import BotoCoreError
from click.testing import CliRunner

from local.__main__ import main
from local.cloud import Cloud
from local.gateway.client import ControlError, control
from local.gateway.launch import EAST, WEST
from local.regions import RegionError, Regions
from local.run import Run, RunError
from local.wait import wait_until

pytestmark = pytest.mark.cloud
MIB = 1024 * 1024
BOTH = {f"{WEST}->{EAST}", f"{EAST}->{WEST}"}


class World:
    """A running cloud whose copies take a while, with the state that the tests observe."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.regions = Regions.of(cloud)
        self.west, self.east = cloud.regions["west"], cloud.regions["east"]

    def slow_copies(self, delay_ms: int) -> None:
        delay = {"kind": "delay", "delay_ms": delay_ms}
        rule = {"id": "slow", "match": {"operation": "UploadPartCopy"}, "action": delay}
        control(self.cloud.endpoint_url, "PUT", "faults", [rule] if delay_ms else [])

    def copying(self, name: str) -> str:
        """Start a job of West, wait until it is in the middle of a multipart copy, and return its id."""
        body = b"x" * (12 * MIB)
        self.cloud.client("s3", WEST).put_object(Bucket=self.west.source_bucket, Key=f"{name}/large", Body=body)
        self.slow_copies(3000)
        job: str = self.ask(
            self.west.api_url + "/jobs",
            {
                "source": {"endpoint": "west-source", "prefix": f"{name}/"},
                "target": {"endpoint": "east-target", "prefix": f"{name}/"},
            },
        )["id"]
        wait_until(lambda: bool(self.uploads(name)), "its parts are being copied", 60)
        return job

    def uploads(self, prefix: str) -> list[Any]:
        target = self.cloud.client("s3", EAST).list_multipart_uploads(Bucket=self.east.target_bucket, Prefix=prefix)
        uploads: list[Any] = target.get("Uploads", [])
        return uploads

    def part_copies(self, caller: str = WEST) -> int:
        requests = control(self.cloud.endpoint_url, "GET", "requests")["requests"]
        return sum(r["count"] for r in requests if (r["operation"], r["caller"]) == ("UploadPartCopy", caller))

    def ask(self, url: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.cloud.token()}"}
        data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers), timeout=35) as answer:
            return json.load(answer)

    def answers(self, url: str) -> bool:
        try:
            self.ask(url)
        except OSError:
            return False
        return True

    def put_item(self, region: str, pk: str) -> None:
        item = {"pk": {"S": pk}, "sk": {"S": "x"}}
        self.cloud.client("dynamodb", region).put_item(TableName="eft", Item=item)

    def has_item(self, region: str, pk: str) -> bool:
        key = {"pk": {"S": pk}, "sk": {"S": "x"}}
        table = self.cloud.client("dynamodb", region)
        return "Item" in table.get_item(TableName="eft", Key=key, ConsistentRead=True)

    def messages(self, queue: str) -> dict[str, int]:
        """Return how many messages of a queue of West wait, and how many are hidden."""
        sqs = self.cloud.client("sqs", WEST)
        url = sqs.get_queue_url(QueueName=f"eft-{queue}")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        hidden = int(attributes["ApproximateNumberOfMessagesNotVisible"])
        return {"waiting": int(attributes["ApproximateNumberOfMessages"]), "hidden": hidden}

    def enabled_rules(self, region: str) -> set[str]:
        rules = self.cloud.client("events", region).list_rules()["Rules"]
        return {rule["Name"] for rule in rules if rule["State"] == "ENABLED"}

    def switches(self, region: str) -> set[str]:
        """Return the states of the event sources, and of the functions by their reserved concurrency."""
        lambda_ = self.cloud.client("lambda", region)
        states = {mapping["State"] for mapping in lambda_.list_event_source_mappings()["EventSourceMappings"]}
        for function in lambda_.list_functions()["Functions"]:
            concurrency = lambda_.get_function_concurrency(FunctionName=function["FunctionName"])
            states.add("Disabled" if concurrency.get("ReservedConcurrentExecutions") == 0 else "Enabled")
        return states


@pytest.fixture
def world(cloud: Cloud) -> Iterator[World]:
    world = World(cloud)
    yield world
    world.slow_copies(0)
    for side in ("west", "east"):
        world.regions.thaw(side)
        world.regions.restore(side)


def test_a_region_dies_in_mid_copy_and_returns(world: World) -> None:
    world.copying("dies")
    (upload,) = world.uploads("dies/")
    assert ":assumed-role/eft-copy-us-gov-west-1/" in upload["Initiator"]["ID"], "the sweeper knows its own uploads"
    busy = world.regions.processes("west", "copy")
    assert busy
    assert set(busy) < set(world.regions.processes("west"))

    rules = world.enabled_rules(WEST)
    killed = world.regions.kill("west")
    assert set(busy) <= killed.pids
    assert world.regions.processes("west") == []
    assert world.regions.processes("east"), "East lives"
    assert world.switches(WEST) == {"Disabled"}
    assert world.enabled_rules(WEST) == set()
    assert world.switches(EAST) == {"Enabled"}
    assert not world.answers(world.west.api_url + "/health")
    assert world.answers(world.east.api_url + "/health")
    assert world.messages("copy")["hidden"] == 1, "the message of a killed worker stays hidden, as on AWS"
    assert set(world.regions.status("west")["stalled"]) == BOTH

    world.put_item(WEST, "written by the dead")
    world.cloud.client("s3", WEST).put_object(Bucket=world.west.source_bucket, Key="inbox/while dead", Body=b"x")
    assert world.messages("intake")["waiting"] >= 1, "its S3 is up, its queue fills"
    assert not world.has_item(EAST, "written by the dead")
    killed_again = world.regions.kill("west")
    assert killed_again.pids == set()
    assert world.messages("intake")["waiting"] >= 1, "no event source takes it"

    world.regions.restore("west")
    wait_until(lambda: world.messages("intake")["waiting"] == 0, "old messages are taken as zombie work", 30)
    wait_until(lambda: world.has_item(EAST, "written by the dead"), "what had not been sent is sent", 10)
    wait_until(lambda: world.answers(world.west.api_url + "/health"), "West's API is back", 60)
    assert world.switches(WEST) == {"Enabled"}
    assert world.enabled_rules(WEST) == rules
    assert world.regions.status("west")["stalled"] == []


def test_a_frozen_region_sleeps_and_goes_on(world: World) -> None:
    copies_before = world.part_copies()
    job = world.copying("freezes")
    frozen = world.regions.freeze("west")
    status = world.regions.status("west")
    assert set(status["stopped"]) == {pid for pids in status["processes"].values() for pid in pids}
    assert set(status["stopped"]) <= frozen.pids
    assert not world.answers(world.west.api_url + "/health")
    # Its requests that were under way are carried out, but then no process goes on.
    wait_until(lambda: world.part_copies() == copies_before + 3, "the parts that were under way are copied", 20)
    assert world.regions.freeze("west").pids >= set(status["stopped"])
    assert world.uploads("freezes/")

    world.slow_copies(0)
    world.regions.thaw("west")
    assert world.regions.status("west")["stopped"] == []
    wait_until(lambda: world.answers(world.west.api_url + "/health"), "West's API is back", 60)
    view = f"{world.west.api_url}/jobs/{job}"
    wait_until(lambda: world.ask(view)["state"] not in ("PLANNING", "RUNNING"), "the job settles", 120)
    assert world.ask(view)["state"] == "SUCCEEDED"


def test_a_region_hangs_and_nobody_is_told(world: World) -> None:
    """When the Region is back, the work that it had begun goes on, and its writes to its table arrive."""
    job = world.copying("hangs")
    busy = world.regions.processes("west", "copy")
    hung = world.regions.hang("west")
    status = world.regions.status("west")
    assert set(busy) <= set(status["stopped"]) <= hung.pids, "they are asleep, not dead"
    for url in (world.west.api_url, f"{world.cloud.endpoint_url}/{world.west.source_bucket}"):
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{url}/health", timeout=1, trust_env=False)
    assert world.answers(world.east.api_url + "/health")
    world.put_item(WEST, "written by the hanging")
    assert not world.has_item(EAST, "written by the hanging")
    world.slow_copies(0)
    world.regions.restore("west")
    assert world.regions.status("west")["stopped"] == []
    wait_until(lambda: world.has_item(EAST, "written by the hanging"), "what had not been sent is sent", 10)
    view = f"{world.east.api_url}/jobs/{job}"
    wait_until(lambda: world.ask(view)["state"] not in ("PLANNING", "RUNNING"), "the job settles", 120)
    assert world.ask(view)["state"] == "SUCCEEDED"


def test_an_isolated_region_works_on_and_its_table_is_behind(world: World) -> None:
    world.regions.isolate("west")
    world.regions.isolate("west")
    for region in (WEST, EAST):
        world.put_item(region, f"of {region}")
    assert not world.has_item(EAST, f"of {WEST}")
    assert not world.has_item(WEST, f"of {EAST}")
    assert world.answers(world.west.api_url + "/health")
    world.regions.rejoin("west")
    wait_until(lambda: world.has_item(EAST, f"of {WEST}") and world.has_item(WEST, f"of {EAST}"), "both agree", 10)
    world.regions.rejoin("west")


def test_with_its_storage_a_regions_buckets_are_gone_too(world: World) -> None:
    s3 = world.cloud.client("s3", WEST)
    s3.put_object(Bucket=world.west.source_bucket, Key="kept", Body=b"x")
    world.regions.kill("west", storage=True)
    with pytest.raises(BotoCoreError):
        s3.head_object(Bucket=world.west.source_bucket, Key="kept")
    world.regions.restore("west")
    assert s3.head_object(Bucket=world.west.source_bucket, Key="kept")["ContentLength"] == 1


def test_another_process_acts_on_a_run_that_is_up(world: World) -> None:
    run = world.cloud.run
    with pytest.raises(RunError, match="is not up"):
        Regions.of_run(Run(run.name))
    run.settings_file.write_text(json.dumps(world.cloud.settings()))
    try:
        result = CliRunner().invoke(main, ["region", "isolate", "east", "--name", run.name])
        assert result.exit_code == 0, result.output
        assert "isolate us-gov-east-1 at " in result.output
        result = CliRunner().invoke(main, ["region", "status", "east", "--name", run.name])
        assert set(json.loads(result.output)["stalled"]) == BOTH
        result = CliRunner().invoke(main, ["region", "rejoin", "east", "--name", run.name])
        assert "replication released" in result.output
    finally:
        run.settings_file.unlink()


def test_an_unknown_region_is_refused_in_words(world: World) -> None:
    with pytest.raises(RegionError, match="no such Region: north; say one of west, east, us-gov-west-1"):
        world.regions.kill("north")
    with pytest.raises(ControlError, match="404"):
        control(world.cloud.endpoint_url, "GET", "nonsense")
