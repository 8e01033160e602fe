"""Keep jobs, leases, progress and deliveries in the table. The key of every item that changes names the only Region
that writes it."""

import hashlib
import re
import time
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from chalicelib.adapters import clients
from chalicelib.adapters.aws_errors import translating
from chalicelib.adapters.dynamo import BATCH_GET_ITEMS, DynamoTable, Item, attributes, item_of, read
from chalicelib.core import codec
from chalicelib.core.budgets import Budget
from chalicelib.core.errors import BadRequest, ErrorCode
from chalicelib.core.ids import is_job_id
from chalicelib.core.jobs import JobKind, JobSpec, Terminal
from chalicelib.core.leases import Observation, PartitionLease, RegionHeartbeat, Takeover
from chalicelib.core.permits import Permit, PermitRequest, SemaphoreState
from chalicelib.core.progress import PlanProgress
from chalicelib.core.webhooks import WebhookHealth
from chalicelib.ports import Delivery, DeliveryLock, DeliveryPage, JobItems, JobPage, Said

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

GSI = "tenant"
DELIVERY_KEPT_S = 90 * 24 * 3600
"""Time, in seconds, after which TTL deletes delivery records. TTL deletes days late and is used for nothing else."""
LOCK_KEPT_S = 3600
"""Time, in seconds, from the end of a delivery's lock to its deletion."""
COUNT_KEPT_S = 3600
"""Time, in seconds, from the beginning of a window to the deletion of its count. The count is not needed once the
window is over."""
_PERMIT_REQUESTS = 64
"""Number of items for the jobs that wait for a permit of one semaphore. Two jobs that share an item are rarely seen
both, which costs one of them a turn."""
_NOBODY = "-"
"""Stands for "no holder": not every DynamoDB takes an empty string."""
_FROM_HOLDER = "attribute_not_exists(#holder) OR #holder = :before OR #holder = :now"
"""Holds if no item is there, or if its holder is the expected one, or the one that this request puts (a repeated
request)."""
_FREE = "attribute_not_exists(#holder) OR until_ms <= :now OR #holder = :holder"
"""Holds if there is no holder, or its time is over, or it is the caller itself (a repeated request)."""
_CREATED = re.compile(r"[0-9]{15}")
_DELIVERY_CURSOR = re.compile(r"([0-9]{15}#(D#[0-9a-f]{32}#[a-z0-9-]{1,40}))#([0-9a-f]{32})", re.ASCII)
_LEASE, _OBSERVATION, _PLAN = TypeAdapter(PartitionLease), TypeAdapter(Observation), TypeAdapter(PlanProgress)
_DELIVERY, _REGION_HEARTBEAT, _TAKEOVER = TypeAdapter(Delivery), TypeAdapter(RegionHeartbeat), TypeAdapter(Takeover)
_HEALTH = TypeAdapter(WebhookHealth)
_PERMIT, _PERMIT_REQUEST = TypeAdapter(Permit), TypeAdapter(PermitRequest)


def make_client(region: str, budget: Budget) -> "DynamoDBClient":
    client: DynamoDBClient = clients.make_client("dynamodb", region, budget, connections=32)
    return client


def make_counting_client(region: str, budget: Budget) -> "DynamoDBClient":
    """Make the client for counting requests. Every request of the API waits for the count, which may fail: it gets one
    short try."""
    client: DynamoDBClient = clients.make_client("dynamodb", region, budget, connections=4, tries=1)
    return client


class DynamoLedger:
    """`ports.Ledger` over one DynamoDB table (a replica of the global table).

    Puts replace whole items and are idempotent, so the SDK may repeat them. Reads are strongly consistent in this
    Region and eventually consistent between Regions.
    """

    def __init__(
        self,
        table: str,
        regions: Sequence[str],
        client: "DynamoDBClient",
        sleep: Callable[[float], None] = time.sleep,
        *,
        make_counting: Callable[[], "DynamoDBClient"] | None = None,
    ) -> None:
        """Make a ledger. `make_counting` makes the client for counts when it is first needed, because only the API's
        function counts. Without it, `client` counts too."""
        self._table = DynamoTable(table, client, sleep)
        self._regions = tuple(regions)
        self._make_counting = make_counting or (lambda: client)
        self._counting_client: Any = None

    # --- jobs -------------------------------------------------------------------------------------------------

    def put_job(self, spec: JobSpec) -> None:
        index_pk = f"FEEDJOBS#{spec.tenant}" if spec.kind is JobKind.FEED else f"TENANT#{spec.tenant}"
        self._table.put(
            f"JOB#{spec.job_id}",
            "SPEC",
            codec.dumps(spec).decode(),
            gsi_pk=index_pk,
            gsi_sk=_listing_key(spec),
        )

    def list_jobs(self, tenant: str, cursor: str | None, limit: int) -> JobPage:
        limit = min(limit, BATCH_GET_ITEMS // len(self._regions))
        start_key: dict[str, Any] = {} if cursor is None else {"ExclusiveStartKey": _start_key(tenant, cursor)}
        answer = self._table.call(
            "query",
            IndexName=GSI,
            KeyConditionExpression="gsi_pk = :tenant",
            ExpressionAttributeValues=attributes({":tenant": f"TENANT#{tenant}"}),
            ScanIndexForward=False,
            # Query one more than is shown: DynamoDB says "there is more" after a full page, whether there is or not.
            Limit=limit + 1,
            **start_key,
        )
        specs = [codec.loads(item_of(raw)["body"].encode(), JobSpec) for raw in answer["Items"]]
        shown = specs[:limit]
        terminals = self._terminals([spec.job_id for spec in shown])
        more_follow = len(specs) > limit or "LastEvaluatedKey" in answer
        return JobPage(
            tuple((spec, terminals.get(spec.job_id)) for spec in shown),
            _listing_key(shown[-1]) if more_follow and shown else None,
        )

    def _terminals(self, job_ids: Sequence[str]) -> dict[str, Terminal]:
        keys = [(f"JOB#{job_id}", f"END#{region}") for job_id in job_ids for region in self._regions]
        terminals = (codec.loads(item["body"].encode(), Terminal) for item in self._table.batch_get(keys).values())
        return {terminal.job_id: terminal for terminal in terminals}

    def job_items(self, job_id: str, limit: int | None = None) -> JobItems:
        spec: JobSpec | None = None
        terminal: Terminal | None = None
        leases: list[PartitionLease] = []
        observations: list[Observation] = []
        plans: list[PlanProgress] = []
        truncated = False
        for index, item in enumerate(self._table.query(f"JOB#{job_id}", page=None if limit is None else limit + 1)):
            if index == limit:
                truncated = True
                break
            kind, body = item["sk"].partition("#")[0], item["body"]
            if kind == "SPEC":
                spec = codec.loads(body.encode(), JobSpec)
            elif kind == "END":
                terminal = codec.loads(body.encode(), Terminal)
            elif kind == "P":
                leases.append(read(_LEASE, body))
            elif kind == "R":
                plans.append(read(_PLAN, body))
            elif kind == "W":
                observations.append(read(_OBSERVATION, body))
        return JobItems(spec, tuple(leases), tuple(observations), tuple(plans), terminal, truncated)

    def put_terminal(self, spec: JobSpec, terminal: Terminal, region: str) -> None:
        self._table.put(f"JOB#{spec.job_id}", f"END#{region}", codec.dumps(terminal).decode())

    # --- leases, observations, progress -----------------------------------------------------------------------

    def put_lease(self, lease: PartitionLease) -> None:
        body = _LEASE.dump_json(lease).decode()
        self._table.put_newer(f"JOB#{lease.job_id}", f"P#{lease.partition_id}#{lease.region}", body, lease.rank)

    def get_leases(self, job_id: str, partition_id: str) -> Sequence[PartitionLease]:
        return [read(_LEASE, item["body"]) for item in self._table.query(f"JOB#{job_id}", f"P#{partition_id}#")]

    def put_observation(self, observation: Observation) -> None:
        key = f"W#{observation.subject}#{observation.region}"
        self._table.put(f"JOB#{observation.job_id}", key, _OBSERVATION.dump_json(observation).decode())

    def get_observation(self, job_id: str, subject: str, region: str) -> Observation | None:
        body = self._table.get(f"JOB#{job_id}", f"W#{subject}#{region}")
        return None if body is None else read(_OBSERVATION, body)

    def put_plan(self, plan: PlanProgress) -> None:
        body = _PLAN.dump_json(plan).decode()
        self._table.put_newer(f"JOB#{plan.job_id}", f"R#{plan.range_id}#{plan.region}", body, plan.rank)

    # --- deliveries and region heartbeats -----------------------------------------------------------------------

    def put_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        # A batch may hold one put per item, and refuses the same key twice. So only the last one is sent.
        items = {
            (_delivery_pk(delivery.feed_id, delivery.key), _delivery_sk(delivery)): delivery for delivery in deliveries
        }
        self._table.batch_put([_delivery_item(pk, sk, delivery) for (pk, sk), delivery in items.items()])

    def get_deliveries(self, feed_id: str, key: str) -> Sequence[Delivery]:
        deliveries = (read(_DELIVERY, item["body"]) for item in self._table.query(_delivery_pk(feed_id, key), "D#"))
        return [delivery for delivery in deliveries if delivery.key == key]

    def lock_delivery(self, lock: DeliveryLock, now_ms: int) -> bool:
        item = {
            "pk": _delivery_pk(lock.feed_id, lock.key),
            "sk": f"L#{_version(lock.pin)}#{lock.region}",
            "holder": lock.holder,
            "until_ms": lock.until_ms,
            "expires_at": max(lock.until_ms, now_ms) // 1000 + LOCK_KEPT_S,
        }
        return self._table.put_if(item, _FREE, "holder", {":now": now_ms, ":holder": lock.holder})

    def list_deliveries(
        self, feed_id: str, since_ms: int, until_ms: int, cursor: str | None, limit: int
    ) -> DeliveryPage:
        limit = min(limit, BATCH_GET_ITEMS // len(self._regions))
        if since_ms >= until_ms:
            return DeliveryPage((), None)
        bounds = {":since": f"{since_ms:015d}", ":until": f"{until_ms - 1:015d}~"}
        start_key: dict[str, Any] = {}
        if cursor is not None:
            # DynamoDB refuses a start key outside the bounds.
            if not bounds[":since"] <= cursor <= bounds[":until"]:
                raise BadRequest(ErrorCode.INVALID_CURSOR, "cursor: ask for the same times as for the previous page")
            start_key = {"ExclusiveStartKey": _delivery_start(feed_id, cursor)}
        answer = self._table.call(
            "query",
            IndexName=GSI,
            KeyConditionExpression="gsi_pk = :feed AND gsi_sk BETWEEN :since AND :until",
            ExpressionAttributeValues=attributes({":feed": f"FEED#{feed_id}", **bounds}),
            ScanIndexForward=False,
            Limit=limit + 1,
            **start_key,
        )
        items = [item_of(raw) for raw in answer["Items"]]
        shown = items[:limit]
        # The index may lag behind the table, and its entry is one Region's only.
        keys = [(item["pk"], sk) for item in shown for sk in self._peers(item["sk"])]
        current = {key: read(_DELIVERY, item["body"]) for key, item in self._table.batch_get(keys).items()}
        statements = tuple(
            Said(
                read(_DELIVERY, item["body"]),
                tuple(current[item["pk"], sk] for sk in self._peers(item["sk"]) if (item["pk"], sk) in current),
            )
            for item in shown
        )
        more_follow = (len(items) > limit or "LastEvaluatedKey" in answer) and bool(shown)
        return DeliveryPage(statements, _delivery_cursor(shown[-1]) if more_follow else None)

    def _peers(self, sk: str) -> list[str]:
        """Return the sort keys of all Regions' items about one version, given that of one Region."""
        version = sk.rpartition("#")[0]
        return [f"{version}#{region}" for region in self._regions]

    def put_takeover(self, takeover: Takeover) -> None:
        key = f"T#{takeover.at_ms:015d}#{takeover.job_id}#{takeover.partition_id}#{takeover.to_region}"
        self._table.put("TAKEOVERS", key, _TAKEOVER.dump_json(takeover).decode())

    def takeovers(self, limit: int) -> Sequence[Takeover]:
        answer = self._table.call(
            "query",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=attributes({":pk": "TAKEOVERS"}),
            ScanIndexForward=False,
            Limit=limit,
        )
        return [read(_TAKEOVER, item_of(raw)["body"]) for raw in answer["Items"]]

    def put_region_heartbeat(self, heartbeat: RegionHeartbeat) -> None:
        self._table.put("REGIONS", f"HB#{heartbeat.region}", _REGION_HEARTBEAT.dump_json(heartbeat).decode())

    def region_heartbeats(self) -> Sequence[RegionHeartbeat]:
        return [read(_REGION_HEARTBEAT, item["body"]) for item in self._table.query("REGIONS")]

    def put_webhook_health(self, health: WebhookHealth) -> None:
        pk = _health_pk(health.tenant, health.webhook)
        self._table.put(pk, f"H#{health.region}", _HEALTH.dump_json(health).decode())

    def get_webhook_health(self, tenant: str, webhook: str) -> Sequence[WebhookHealth]:
        return [read(_HEALTH, item["body"]) for item in self._table.query(_health_pk(tenant, webhook))]

    # --- requests ---------------------------------------------------------------------------------------------

    def count_request(self, tenant: str, region: str, window_start_ms: int) -> int:
        """Increment the count by ADD, which is atomic in a Region (developer guide, "Atomic counters"). Between Regions
        the last writer would win, but no other Region writes this item."""
        if self._counting_client is None:
            self._counting_client = self._make_counting()
        with translating():
            answer = self._counting_client.update_item(
                TableName=self._table.name,
                Key=attributes({"pk": f"REQUESTS#{tenant}", "sk": f"M#{window_start_ms:015d}#{region}"}),
                UpdateExpression="SET expires_at = :gone ADD requests :one",
                ExpressionAttributeValues=attributes({":gone": window_start_ms // 1000 + COUNT_KEPT_S, ":one": 1}),
                ReturnValues="UPDATED_NEW",
            )
        return int(item_of(answer["Attributes"])["requests"])

    # --- permits ----------------------------------------------------------------------------------------------

    def get_semaphore(self, region: str, semaphore: str) -> SemaphoreState:
        permits: list[Permit] = []
        requests: list[PermitRequest] = []
        for item in self._table.query(_semaphore_pk(region, semaphore)):
            if item["sk"].startswith("S#"):
                permits.append(read(_PERMIT, item["body"]))
            else:
                requests.append(read(_PERMIT_REQUEST, item["body"]))
        return SemaphoreState(tuple(permits), tuple(requests))

    def swap_permit(self, permit: Permit, holder: str) -> bool:
        item = {
            "pk": _semaphore_pk(permit.region, permit.semaphore),
            "sk": f"S#{permit.number:06d}",
            "holder": permit.holder or _NOBODY,
        }
        values = {":before": holder or _NOBODY, ":now": permit.holder or _NOBODY}
        return self._table.put_if({**item, "body": _PERMIT.dump_json(permit).decode()}, _FROM_HOLDER, "holder", values)

    def put_permit_request(self, permit_request: PermitRequest) -> None:
        number = zlib.crc32(permit_request.job_id.encode()) % _PERMIT_REQUESTS
        self._table.put(
            _semaphore_pk(permit_request.region, permit_request.semaphore),
            f"W#{number:02d}",
            _PERMIT_REQUEST.dump_json(permit_request).decode(),
        )


def _listing_key(spec: JobSpec) -> str:
    """Return the sort key of a job in listings. They are read backwards, newest first."""
    return f"{spec.created_ms:015d}#{spec.job_id}"


def _start_key(tenant: str, cursor: str) -> dict[str, Any]:
    created, _, job_id = cursor.partition("#")
    if not _CREATED.fullmatch(created) or not is_job_id(job_id):
        raise BadRequest(ErrorCode.INVALID_CURSOR, "cursor: take it unchanged from the previous page's answer")
    return attributes({"pk": f"JOB#{job_id}", "sk": "SPEC", "gsi_pk": f"TENANT#{tenant}", "gsi_sk": cursor})


def _health_pk(tenant: str, webhook: str) -> str:
    """Return the partition key of a webhook's health. Tenants' names may hold any character: with its length before it,
    none can be confused with the beginning of a webhook's name."""
    return f"WEBHOOK#{len(tenant)}:{tenant}#{webhook}"


def _semaphore_pk(region: str, semaphore: str) -> str:
    return f"PERMITS#{region}#{semaphore}"


def _delivery_pk(feed_id: str, key: str) -> str:
    """Return the partition key of an object's deliveries. Object keys may be longer than an index allows, so they are
    hashed; the item holds the key itself."""
    return f"FEED#{feed_id}#{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _version(pin: str) -> str:
    return hashlib.sha256(pin.encode()).hexdigest()[:32]


def _delivery_sk(delivery: Delivery) -> str:
    return f"D#{_version(delivery.pin)}#{delivery.region}"


def _delivery_cursor(item: Item) -> str:
    return f"{item['gsi_sk']}#{item['pk'].rpartition('#')[2]}"


def _delivery_start(feed_id: str, cursor: str) -> dict[str, Any]:
    """Return the start key of a query. It is made from the feed that was asked for, so that no cursor leads to another
    feed's deliveries."""
    match = _DELIVERY_CURSOR.fullmatch(cursor)
    if not match:
        raise BadRequest(ErrorCode.INVALID_CURSOR, "cursor: take it unchanged from the previous page's answer")
    gsi_sk, sk, key = match.groups()
    index_pk = f"FEED#{feed_id}"
    return attributes({"pk": f"{index_pk}#{key}", "sk": sk, "gsi_pk": index_pk, "gsi_sk": gsi_sk})


def _delivery_item(pk: str, sk: str, delivery: Delivery) -> Item:
    return {
        "pk": pk,
        "sk": sk,
        "body": _DELIVERY.dump_json(delivery).decode(),
        "gsi_pk": f"FEED#{delivery.feed_id}",
        "gsi_sk": f"{delivery.at_ms:015d}#{sk}",
        "expires_at": delivery.at_ms // 1000 + DELIVERY_KEPT_S,
    }
