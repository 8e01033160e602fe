"""The environment, read once into one frozen object. Whatever is missing, unknown or malformed is an error that says
which variable and why: a misconfigured function must not start."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError

from chalicelib.core.model import Bucket, Endpoint, Feed, OverwriteMode
from chalicelib.core.policy import Policy

PREFIX = "EFT_"


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


class FeedEntry(_Strict):
    id: str = Field(min_length=1)
    tenant: str = Field(min_length=1)
    source: str
    target: str
    mode: OverwriteMode = OverwriteMode.IF_CHANGED


class Issuer(_Strict):
    """Who may sign tokens: its name, whom it must name as audience, and its public keys (RFC 7517)."""

    issuer: str
    audience: str
    jwks: dict[str, Any]


class Auth(_Strict):
    issuers: list[Issuer]


class _Environment(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    peer_region: str = Field(min_length=1)
    account: str = Field(min_length=1)
    table: str = Field(min_length=1)
    event_bus: str = Field(min_length=1)
    own_role: str = Field(min_length=1)
    control_buckets: Json[dict[str, str]]
    queue_urls: Json[dict[str, str]]
    endpoints: Json[list[EndpointEntry]]
    feeds: Json[list[FeedEntry]]
    policy: Json[dict[str, Annotated[int, Field(gt=0)]]]
    auth: Json[Auth]


@dataclass(frozen=True, slots=True)
class Settings:
    region: str
    peer_region: str
    table: str
    event_bus: str
    own_role: str
    control_buckets: dict[str, Bucket]
    queue_urls: dict[str, str]
    endpoints: dict[str, Endpoint]
    feeds: dict[str, Feed]
    policy: Policy
    auth: Auth


def read(environ: Mapping[str, str]) -> Settings:
    """Raises SettingsError naming each variable that is wrong."""
    ours = {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
    region = environ.get("AWS_REGION", "")
    if not region:
        raise SettingsError("AWS_REGION is not set")
    try:
        found = _Environment.model_validate(ours)
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{'.'.join(str(where) for where in e['loc']).upper()}: {e['msg']}" for e in error.errors()
        )
        raise SettingsError(f"the environment is not usable: {wrong}") from error
    endpoints = {entry.id: _endpoint(entry) for entry in found.endpoints}
    feeds = {entry.id: Feed(entry.id, entry.tenant, entry.source, entry.target, entry.mode) for entry in found.feeds}
    _check_regions(region, found)
    check_feeds(endpoints, feeds)
    return Settings(
        region=region,
        peer_region=found.peer_region,
        table=found.table,
        event_bus=found.event_bus,
        own_role=found.own_role,
        control_buckets={name: Bucket(bucket, name, found.account) for name, bucket in found.control_buckets.items()},
        queue_urls=found.queue_urls,
        endpoints=endpoints,
        feeds=feeds,
        policy=_policy(found.policy),
        auth=found.auth,
    )


def _policy(overrides: Mapping[str, int]) -> Policy:
    unknown = overrides.keys() - {field.name for field in fields(Policy)}
    if unknown:
        raise SettingsError(f"EFT_POLICY: there is no {', '.join(sorted(unknown))}")
    return Policy(**overrides)


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
    )


def _check_regions(region: str, found: _Environment) -> None:
    expected = {region, found.peer_region}
    if set(found.control_buckets) != expected:
        raise SettingsError(f"EFT_CONTROL_BUCKETS must name one bucket for each of {sorted(expected)}")
    if set(found.queue_urls) != {"intake", "split", "copy", "verify"}:
        raise SettingsError("EFT_QUEUE_URLS must name the queues intake, split, copy and verify")
    for entry in found.endpoints:
        # A job's records live in the Region of its destination: there must be a control bucket there.
        if "write" in entry.access and entry.region not in expected:
            raise SettingsError(
                f"EFT_ENDPOINTS: {entry.id} is written to in {entry.region}, which has no control bucket"
            )


def check_feeds(endpoints: Mapping[str, Endpoint], feeds: Mapping[str, Feed]) -> None:
    """Every feed's ends exist, belong to its tenant, may be used so, and no feed can wake itself, not even through
    others: what one writes must not lie where another reads that leads back to it."""
    for feed in feeds.values():
        for role, name in (("source", feed.source), ("target", feed.target)):
            endpoint = endpoints.get(name)
            if endpoint is None or endpoint.tenant != feed.tenant:
                raise SettingsError(f"EFT_FEEDS: {feed.id}: its tenant has no endpoint {name!r} ({role})")
            if not (endpoint.readable if role == "source" else endpoint.writable):
                raise SettingsError(f"EFT_FEEDS: {feed.id}: endpoint {name!r} can't be its {role}: access")
    wakes = {
        feed.id: [other.id for other in feeds.values() if _overlap(endpoints[feed.target], endpoints[other.source])]
        for feed in feeds.values()
    }
    for start in feeds:
        reached, todo = set[str](), list(wakes[start])
        while todo:
            at = todo.pop()
            if at == start:
                raise SettingsError(f"EFT_FEEDS: {start} would wake itself: its target lies under its own source")
            if at not in reached:
                reached.add(at)
                todo.extend(wakes[at])


def _overlap(left: Endpoint, right: Endpoint) -> bool:
    if left.bucket.name != right.bucket.name:
        return False
    return left.prefix.startswith(right.prefix) or right.prefix.startswith(left.prefix)
