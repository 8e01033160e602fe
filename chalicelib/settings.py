"""Read the environment once into one frozen object.

A missing, unknown or malformed variable raises an error that names the variable and the reason: a misconfigured
function must not start.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json, ValidationError, model_validator

from chalicelib.core.budgets import (
    API_GATEWAY_TIMEOUT_MS,
    SWEEP_TIMEOUT_MS,
    count_budget,
    quick_ms,
    request_ms,
    worst_answer_ms,
    worst_sweep_ms,
)
from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.feeds import FeedEnds, FeedLocation, loop_from
from chalicelib.core.inputs import StorageClass
from chalicelib.core.keys import Issuer, UnusableKeys, signing_key, signs
from chalicelib.core.objects import Bucket
from chalicelib.core.policy import COPY_OBJECT_MAX_BYTES, MIB, PART_MAX_BYTES, PART_MIN_BYTES, Policy
from chalicelib.core.prefixes import is_folder, why_no_folder
from chalicelib.core.prices import LIST_PRICES, Prices, with_overrides
from chalicelib.core.roles import session_prefix
from chalicelib.core.rows import OverwriteMode
from chalicelib.core.shares import shortest_share_ms
from chalicelib.core.webhooks import Network

PREFIX = "EFT_"
QUEUES = {"intake", "split", "copy", "verify", "notify", "notify-dead-letters"}


class SettingsError(Exception):
    """The environment does not describe a deployable service."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EndpointEntry(_Strict):
    id: str = Field(min_length=1)
    tenant: str = Field(min_length=1)
    bucket: str = Field(min_length=3)
    region: str
    owner: str | None = None
    prefix: str = ""
    access: Literal["read", "write", "read-write"]
    kms_key: str | None = None
    requester_pays: bool = False
    website: bool = False
    max_concurrency: int | None = Field(default=None, ge=1, strict=True)
    text_prefix: bool = Field(default=False, strict=True)
    """The prefix is not a folder, and the operator has confirmed that this is intended."""

    @model_validator(mode="after")
    def _prefix_is_a_folder(self) -> "EndpointEntry":
        if not self.text_prefix and not is_folder(self.prefix):
            raise ValueError(f"{self.id}: {why_no_folder(self.prefix)}")
        return self


class FeedEntry(_Strict):
    id: str = Field(min_length=1)
    tenant: str = Field(min_length=1)
    source: str
    target: str
    mode: OverwriteMode = OverwriteMode.IF_CHANGED


class Jwks(BaseModel):
    """A JSON Web Key Set (RFC 7517, section 5), as issuers publish it."""

    model_config = ConfigDict(frozen=True)

    keys: list[dict[str, Any]] = Field(min_length=1)


class IssuerEntry(_Strict):
    """An issuer that may sign tokens: its name, the audience that its tokens must name, the claim that holds the
    tenant, and its public keys or the URL where it publishes them."""

    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    tenant_claim: str = Field(default="tenant", min_length=1)
    jwks: Jwks | None = None
    jwks_url: str | None = None

    @model_validator(mode="after")
    def _keys_are_usable(self) -> "IssuerEntry":
        if (self.jwks is None) is (self.jwks_url is None):
            raise ValueError("give its keys (jwks), or where they are published (jwks_url): one of the two")
        if self.jwks is not None and not self.keys:
            raise ValueError("none of its keys is for signatures")
        if self.jwks_url is not None:
            _check_url(self.jwks_url)
        return self

    @cached_property
    def keys(self) -> dict[str, jwt.PyJWK]:
        """The configured keys, by id. Raises UnusableKeys if any is unusable: an operator wrote them down, so each must
        be right."""
        keys_by_id: dict[str, jwt.PyJWK] = {}
        for raw in self.jwks.keys if self.jwks else ():
            if not signs(raw):
                continue
            key = signing_key(raw)
            assert key.key_id is not None
            if key.key_id in keys_by_id:
                raise UnusableKeys(f"each key needs a kid of its own: {key.key_id!r}")
            keys_by_id[key.key_id] = key
        return keys_by_id

    def origin(self) -> Issuer:
        return Issuer(self.issuer, self.audience, self.tenant_claim, self.keys, self.jwks_url or "")


def _check_url(url: str) -> None:
    """Refuse any URL but plain https://. Over plain HTTP, anybody on the network path could supply keys and so sign
    themselves in."""
    parsed = urlsplit(url)
    if parsed.scheme != "https" or not parsed.hostname or parsed.username is not None or parsed.fragment:
        raise ValueError("jwks_url must be https:// and a host, without user or fragment")


class _Auth(_Strict):
    issuers: list[IssuerEntry]


Name = Annotated[str, Field(min_length=1)]


def _is_role(arn: str) -> str:
    session_prefix(arn)
    return arn


RoleArn = Annotated[str, AfterValidator(_is_role)]


Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_ByClass = dict[StorageClass, Dollars]


class PricesEntry(_Strict):
    """AWS's prices in a Region, as far as they differ from `core.prices`. `dated` and `source` say whose prices these
    are; every plan shows them."""

    dated: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    source: str = Field(default="the operator's prices", min_length=1, max_length=200)
    write_per_1000: _ByClass | None = None
    read_per_1000: _ByClass | None = None
    retrieval_per_gb: _ByClass | None = None
    storage_per_gb_month: _ByClass | None = None
    transfer_per_gb: Dollars | None = None
    lambda_per_gb_second: Dollars | None = None
    lambda_per_million: Dollars | None = None
    sqs_per_million: Dollars | None = None
    table_write_per_million: Dollars | None = None
    table_read_per_million: Dollars | None = None
    kms_per_10000: Dollars | None = None


class _Environment(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    peer_region: Name
    account: Name
    table: Name
    event_bus: Name
    own_roles: Json[Annotated[list[RoleArn], Field(min_length=1)]]
    control_buckets: Json[dict[str, Name]]
    queue_urls: Json[dict[str, Name]]
    endpoints: Json[list[EndpointEntry]]
    feeds: Json[list[FeedEntry]]
    policy: Json[dict[str, Annotated[int, Field(gt=0, strict=True)]]]
    auth: Json[_Auth]
    webhook_networks: Json[tuple[Network, ...]]
    prices: Json[dict[Name, PricesEntry]]


@dataclass(frozen=True, slots=True)
class Settings:
    region: str
    peer_region: str
    table: str
    event_bus: str
    own_roles: tuple[str, ...]
    control_buckets: dict[str, Bucket]
    queue_urls: dict[str, str]
    endpoints: dict[str, Endpoint]
    feeds: dict[str, Feed]
    policy: Policy
    prices: dict[str, Prices]
    issuers: tuple[Issuer, ...]
    webhook_networks: tuple[Network, ...]
    """The networks, besides the public internet, in which a webhook's address may lie."""


def read(environ: Mapping[str, str]) -> Settings:
    """Read the settings. Raises a SettingsError that names each wrong variable."""
    variables = {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
    region = environ.get("AWS_REGION", "")
    if not region:
        raise SettingsError("AWS_REGION is not set")
    try:
        environment = _Environment.model_validate(variables)
    except ValidationError as error:
        faults = "; ".join(
            f"{PREFIX}{'.'.join(str(key) for key in fault['loc']).upper()}: {fault['msg']}" for fault in error.errors()
        )
        # Not "from error": that would show the values in the log.
        raise SettingsError(f"the environment is not usable: {faults}") from None
    _check_names("EFT_ENDPOINTS", (entry.id for entry in environment.endpoints))
    _check_names("EFT_FEEDS", (entry.id for entry in environment.feeds))
    _check_names("EFT_AUTH", (entry.issuer for entry in environment.auth.issuers))
    endpoints = {entry.id: _endpoint(entry) for entry in environment.endpoints}
    feeds = {
        entry.id: Feed(entry.id, entry.tenant, entry.source, entry.target, entry.mode, name=entry.id)
        for entry in environment.feeds
    }
    _check_regions(region, environment)
    check_feeds(endpoints, feeds)
    return Settings(
        region=region,
        peer_region=environment.peer_region,
        table=environment.table,
        event_bus=environment.event_bus,
        own_roles=tuple(environment.own_roles),
        control_buckets={
            name: Bucket(bucket, name, environment.account) for name, bucket in environment.control_buckets.items()
        },
        queue_urls=environment.queue_urls,
        endpoints=endpoints,
        feeds=feeds,
        policy=_policy(environment.policy),
        prices=_prices({region, environment.peer_region}, environment.prices),
        issuers=tuple(entry.origin() for entry in environment.auth.issuers),
        webhook_networks=environment.webhook_networks,
    )


def _policy(overrides: Mapping[str, int]) -> Policy:
    unknown = overrides.keys() - {field.name for field in fields(Policy)}
    if unknown:
        raise SettingsError(f"EFT_POLICY: there is no {', '.join(sorted(unknown))}")
    policy = Policy(**overrides)
    for holds, rule in (
        # S3 user guide, "Amazon S3 multipart upload limits" and "Copying objects".
        (PART_MIN_BYTES <= policy.part_size_bytes <= PART_MAX_BYTES, "part_size_bytes must be 5 MiB to 5 GiB"),
        (PART_MIN_BYTES <= policy.report_piece_bytes <= 64 * MIB, "report_piece_bytes must be 5 to 64 MiB"),
        (policy.multipart_threshold_bytes <= COPY_OBJECT_MAX_BYTES, "multipart_threshold_bytes: at most 5 GiB"),
        (
            policy.heartbeat_ms * 2 <= policy.lease_ttl_ms,
            "lease_ttl_ms: at least two heartbeats",
        ),
        (policy.lease_ttl_ms <= policy.takeover_after_ms, "takeover_after_ms: at least lease_ttl_ms"),
        (policy.backoff_base_ms <= policy.backoff_max_ms, "backoff_max_ms: at least backoff_base_ms"),
        (
            policy.webhook_backoff_base_ms <= policy.webhook_backoff_max_ms,
            "webhook_backoff_max_ms: at least webhook_backoff_base_ms",
        ),
        (
            worst_answer_ms(policy) <= policy.api_answer_ms,
            "api_answer_ms: at least what one call that hangs takes, after the authorizer's",
        ),
        (
            count_budget(policy).whole_ms + quick_ms(policy) <= request_ms(policy),
            "count_read_ms: after a count that hangs, and the authorizer, there must be time for one more call",
        ),
        (
            policy.api_slow_ms + quick_ms(policy) < API_GATEWAY_TIMEOUT_MS,
            "api_slow_ms: with one more call, less than the 29 s after which API Gateway gives up",
        ),
        (
            worst_sweep_ms(policy) < SWEEP_TIMEOUT_MS,
            "sweep_run_ms: with one more call, less than the 55 s after which Lambda kills a sweep",
        ),
        (
            shortest_share_ms(policy.sweep_run_ms) > quick_ms(policy),
            "sweep_run_ms: each stage's share must be longer than a call that hangs",
        ),
    ):
        if not holds:
            raise SettingsError(f"EFT_POLICY: {rule}")
    return policy


def _prices(regions: set[str], overrides: Mapping[str, PricesEntry]) -> dict[str, Prices]:
    unknown = overrides.keys() - regions
    if unknown:
        raise SettingsError(f"EFT_PRICES: jobs have no target in {', '.join(sorted(unknown))}")
    changes = {region: entry.model_dump(exclude_none=True) for region, entry in overrides.items()}
    return {region: with_overrides(LIST_PRICES, changes.get(region, {})) for region in regions}


def _endpoint(entry: EndpointEntry) -> Endpoint:
    return Endpoint(
        id=entry.id,
        tenant=entry.tenant,
        bucket=Bucket(entry.bucket, entry.region, entry.owner, entry.requester_pays),
        prefix=entry.prefix,
        readable="read" in entry.access,
        writable="write" in entry.access,
        kms_key=entry.kms_key,
        website=entry.website,
        max_concurrency=entry.max_concurrency,
    )


def _check_names(variable: str, names: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise SettingsError(f"{variable}: there more than once: {', '.join(repeated)}")


def _check_regions(region: str, environment: _Environment) -> None:
    expected = {region, environment.peer_region}
    if environment.peer_region == region:
        raise SettingsError(f"EFT_PEER_REGION is {region}, which is this Region")
    if set(environment.control_buckets) != expected or len(set(environment.control_buckets.values())) != len(expected):
        raise SettingsError(f"EFT_CONTROL_BUCKETS must name one bucket for each of {sorted(expected)}")
    if set(environment.queue_urls) != QUEUES:
        raise SettingsError(f"EFT_QUEUE_URLS must name the queues {', '.join(sorted(QUEUES))}")
    for entry in environment.endpoints:
        # A job's records live in the Region of its destination: there must be a control bucket there.
        if "write" in entry.access and entry.region not in expected:
            raise SettingsError(
                f"EFT_ENDPOINTS: {entry.id} is written to in {entry.region}, which has no control bucket"
            )
        if entry.bucket in environment.control_buckets.values():
            # A tenant that writes there could forge claims and receipts; one that reads there would see other tenants'
            # jobs.
            raise SettingsError(f"EFT_ENDPOINTS: {entry.id} is a control bucket, which no endpoint may be")


def check_feeds(endpoints: Mapping[str, Endpoint], feeds: Mapping[str, Feed]) -> None:
    """Check that every feed's ends exist, belong to its tenant and allow their use, and that no feed can trigger
    itself, not even through others: a feed must not write where another feed reads that leads back to it. Raises
    SettingsError."""
    for feed in feeds.values():
        for role, name in (("source", feed.source), ("target", feed.target)):
            endpoint = endpoints.get(name)
            if endpoint is None or endpoint.tenant != feed.tenant:
                raise SettingsError(f"EFT_FEEDS: {feed.id}: its tenant has no endpoint {name!r} ({role})")
            if not (endpoint.readable if role == "source" else endpoint.writable):
                raise SettingsError(f"EFT_FEEDS: {feed.id}: endpoint {name!r} can't be its {role}: access")
        source, target = endpoints[feed.source], endpoints[feed.target]
        if not is_folder(source.prefix) and not target.prefix:
            raise SettingsError(
                f"EFT_FEEDS: {feed.id}: an object of the key {source.prefix!r} would have no name at the target: "
                "choose a folder at either end"
            )
    locations = [
        FeedLocation.of(FeedEnds(feed, endpoints[feed.source], endpoints[feed.target])) for feed in feeds.values()
    ]
    for start in locations:
        loop = loop_from(start, lambda bucket: [location for location in locations if location.source_bucket == bucket])
        if loop is None:
            raise SettingsError(f"EFT_FEEDS: {start.feed_id}: feeds take what it writes on to too many buckets")
        if loop:
            raise SettingsError(f"EFT_FEEDS: a loop, what one writes the next one reads: {' -> '.join(loop)}")
