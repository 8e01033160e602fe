"""The sweep's look at issuers: which keys it keeps, and when it fetches them. No answer takes good keys away."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chalicelib.core import codec
from chalicelib.core.errors import EftError, NoAnswer, Permanent, Retry
from chalicelib.core.keys import ANSWER_MAX_BYTES, Issuer, KeyRecord, record_key
from chalicelib.core.policy import Policy
from chalicelib.entry import handlers
from chalicelib.ports import Env
from chalicelib.protocol.keys import read_keys
from chalicelib.steps import keys
from simulation.memory.clock import CollectingLog, VirtualClock
from simulation.memory.env import CONTROL, EAST, WEST, make_env, make_store
from simulation.memory.faults import FaultyStore, Rule, When
from simulation.memory.keysource import MemoryKeySource
from simulation.memory.operations import Operation
from tests.entry.tokens import Signer

NAME, URL = "https://id.example.com", "https://id.example.com/keys"
MINUTE_MS = 60_000
ISSUER = Issuer(NAME, "eft", "tenant", jwks_url=URL)
A, B = Signer.make("ES256", "a").jwk, Signer.make("ES256", "b").jwk


@dataclass
class World:
    source: MemoryKeySource = field(default_factory=MemoryKeySource)
    clock: VirtualClock = field(default_factory=VirtualClock)
    log: CollectingLog = field(default_factory=CollectingLog)
    store: FaultyStore = field(default_factory=lambda: FaultyStore(make_store()))
    issuers: tuple[Issuer, ...] = (ISSUER,)

    def env(self, region: str = WEST) -> Env:
        return make_env(
            region, self.store, clock=self.clock, log=self.log, issuers=self.issuers, key_source=self.source
        )

    def publish(self, *jwks: dict[str, Any], url: str = URL) -> None:
        self.source.answers[url] = lambda: json.dumps({"keys": jwks}).encode()

    def sweep(self, region: str = WEST) -> None:
        """Run one sweep's stage, and let a minute pass."""
        keys.run(self.env(region), self.clock.now_ms() + 45_000)
        self.clock.sleep_ms(MINUTE_MS)

    def kept(self, region: str = WEST, name: str = NAME) -> set[str] | None:
        record = read_keys(self.store.store, CONTROL[region], name)
        return None if record is None else set(record.keys)

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.log.lines if name == event]


@pytest.fixture
def world() -> World:
    new_world = World()
    new_world.publish(A)
    return new_world


def test_each_region_keeps_its_own(world: World) -> None:
    world.sweep(WEST)
    assert (world.kept(WEST), world.kept(EAST)) == ({"a"}, None)
    world.sweep(EAST)
    assert world.kept(EAST) == {"a"}
    touched = {bucket for operation, bucket, _ in world.store.calls}
    assert touched == {CONTROL[WEST].name, CONTROL[EAST].name}


def test_a_region_needs_nothing_of_the_other(world: World) -> None:
    world.store.rule(Rule(region=EAST, times=None))
    world.sweep(WEST)
    assert world.kept() == {"a"}
    assert {bucket for _, bucket, _ in world.store.calls} == {CONTROL[WEST].name}


def test_an_issuer_is_asked_every_five_minutes(world: World) -> None:
    for _ in range(11):
        world.sweep()
    assert len(world.source.asked) == 3
    assert Policy().keys_refresh_ms == 5 * MINUTE_MS


def test_and_every_minute_while_it_does_not_answer(world: World) -> None:
    world.sweep()
    good = world.source.answers.pop(URL)
    for _ in range(9):
        world.sweep()
    assert len(world.source.asked) == 1 + 5
    world.source.answers[URL] = good
    for _ in range(5):
        world.sweep()
    assert len(world.source.asked) == 1 + 5 + 1


def test_a_rotation(world: World) -> None:
    world.sweep()
    world.publish(A, B)
    for _ in range(5):
        world.sweep()
    assert world.kept() == {"a", "b"}
    world.publish(B)
    for _ in range(10):
        world.sweep()
    assert world.kept() == {"a", "b"}, "its grace"
    for _ in range(Policy().keys_grace_ms // MINUTE_MS):
        world.sweep()
    assert world.kept() == {"b"}
    changes = [(fields["published"], fields["left"]) for fields in world.logged("keys-changed")]
    assert changes == [(["a"], []), (["a", "b"], []), (["b"], ["a"]), (["b"], [])]


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "not JSON": b"<html>Service Unavailable</html>",
    "no key set": b"{}",
    "an empty set": b'{"keys": []}',
    "a secret": json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"}]}).encode(),
    "another kind of key": json.dumps({"keys": [Signer.make("ES512", "a").jwk]}).encode(),
    "a key for encryption": json.dumps({"keys": [{**A, "use": "enc"}]}).encode(),
    "keys of one name": json.dumps({"keys": [A, Signer.make("RS256", "a").jwk]}).encode(),
    "too much": json.dumps({"keys": [A]}).encode() + b" " * ANSWER_MAX_BYTES,
}
FAILING: dict[str, Exception] = {
    "no answer": Retry("KeysNotFetched", "timeout"),
    "a redirection": Permanent("KeysNotPublished", "302"),
    "an error that nobody foresaw": RuntimeError("bug"),
}


def _fail(error: Exception) -> bytes:
    raise error


@pytest.mark.parametrize("answer", [*BROKEN, *FAILING])
def test_an_answer_that_never_replaces_good_keys(world: World, answer: str) -> None:
    world.sweep()
    record_before = read_keys(world.store.store, CONTROL[WEST], NAME)
    world.source.answers[URL] = (lambda: BROKEN[answer]) if answer in BROKEN else (lambda: _fail(FAILING[answer]))
    for _ in range(3 * 24 * 60):  # This is three days.
        world.sweep()
    assert read_keys(world.store.store, CONTROL[WEST], NAME) == record_before
    not_refreshed = world.logged("keys-not-refreshed")
    assert len(not_refreshed) > 4000, "each time"
    assert not_refreshed[0]["issuer"] == NAME
    assert not_refreshed[0]["error"]


def test_the_first_answer_may_be_broken(world: World) -> None:
    world.source.answers[URL] = lambda: b"x"
    world.sweep()
    assert world.kept() is None
    world.publish(A)
    world.sweep()
    assert world.kept() == {"a"}


def test_one_issuer_does_not_hold_up_another(world: World) -> None:
    other = Issuer("https://two.example.com", "eft", "tenant", jwks_url="https://two.example.com/keys")
    world.issuers = (ISSUER, other)
    world.publish(B, url=other.jwks_url)
    world.source.answers[URL] = lambda: _fail(RuntimeError("bug"))
    world.sweep()
    assert (world.kept(), world.kept(name=other.name)) == (None, {"b"})


def test_issuers_that_hang_do_not_keep_another_from_its_turn(world: World) -> None:
    """Two issuers take longer than the stage's share. They stand before one that answers, in every sweep."""
    slow = [f"https://slow{number}.example.com/keys" for number in range(2)]
    world.issuers = (*(replace(ISSUER, name=url, jwks_url=url) for url in slow), ISSUER)

    def hang() -> bytes:
        world.clock.sleep_ms(3_000)
        raise NoAnswer("ReadTimeout", "no answer")

    world.source.answers.update(dict.fromkeys(slow, hang))
    world.publish(A)
    for _ in range(3):
        keys.run(world.env(), world.clock.now_ms() + 4_000)
        world.clock.sleep_ms(MINUTE_MS)
    assert world.kept()


def test_an_issuer_whose_keys_are_given_is_never_asked(world: World) -> None:
    world.issuers = (Issuer(NAME, "eft", "tenant", keys={}),)
    world.sweep()
    assert world.source.asked == []
    assert world.store.calls == []


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("operation", [Operation.GET, Operation.PUT])
def test_a_bucket_that_does_not_answer(world: World, operation: Operation, when: When) -> None:
    world.store.rule(Rule(operation, when=when))
    world.sweep()
    world.sweep()
    assert world.kept() == {"a"}


def test_a_record_that_can_not_be_read_is_replaced_and_told_of(world: World) -> None:
    world.store.store.overwrite(CONTROL[WEST], record_key(NAME), b"{")
    world.sweep()
    assert world.kept() == {"a"}
    assert len(world.logged("keys-unreadable")) == 1


def test_nobody_is_asked_when_there_is_no_time(world: World) -> None:
    keys.run(world.env(), world.clock.now_ms())
    assert world.source.asked == []


def test_the_sweep_asks_also_when_it_fails_itself(world: World) -> None:
    world.store.rule(Rule(Operation.LIST, times=None, error=lambda: RuntimeError("bug")))
    with pytest.raises(RuntimeError):
        handlers.sweep(world.env(), {}, world.clock.now_ms() + 45_000)
    assert world.kept() == {"a"}


def test_the_record_is_for_people_too(world: World) -> None:
    world.sweep()
    body = world.store.store.get(CONTROL[WEST], record_key(NAME))
    assert body is not None
    assert json.loads(body)["issuer"] == NAME
    assert codec.loads(body, KeyRecord).keys["a"].jwk["kid"] == "a"
    assert issubclass(Retry, EftError)
