"""Published keys come from the issuer's answer to the authorizer's. The tests show which requests this takes, and how
often."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from chalicelib import settings
from chalicelib.core.errors import Denied, NoAnswer, NoSuchBucket, Retry
from chalicelib.core.keys import record_key
from chalicelib.ports import Env
from chalicelib.runtime import using
from chalicelib.steps import keys
from simulation.memory.clock import CollectingLog, VirtualClock
from simulation.memory.env import CONTROL, EAST, WEST, make_env, make_store
from simulation.memory.faults import FaultyStore, Rule
from simulation.memory.keysource import MemoryKeySource
from simulation.memory.operations import Operation
from tests.entry.api import composition
from tests.entry.authorizer import ask
from tests.entry.environ import environ
from tests.entry.tokens import ISSUER, Signer

URL = f"{ISSUER}/keys"
SECOND_MS, MINUTE_MS, DAY_MS = 1000, 60_000, 86_400_000
AUTH = json.dumps({"issuers": [{"issuer": ISSUER, "audience": "eft", "jwks_url": URL}]})
OLD, NEW = Signer.make("ES256", "old"), Signer.make("RS256", "new")


@dataclass
class World:
    """An issuer and one Region, with its sweep and one process of its authorizer."""

    region: str = WEST
    source: MemoryKeySource = field(default_factory=MemoryKeySource)
    clock: VirtualClock = field(default_factory=VirtualClock)
    store: FaultyStore = field(default_factory=lambda: FaultyStore(make_store()))
    log: CollectingLog = field(default_factory=CollectingLog)

    @property
    def region_settings(self) -> settings.Settings:
        peer = EAST if self.region == WEST else WEST
        return settings.read(environ(EFT_AUTH=AUTH, AWS_REGION=self.region, EFT_PEER_REGION=peer))

    @property
    def env(self) -> Env:
        return make_env(
            self.region,
            self.store,
            clock=self.clock,
            log=self.log,
            issuers=self.region_settings.issuers,
            key_source=self.source,
        )

    def publish(self, *signers: Signer) -> None:
        self.source.answers[URL] = lambda: json.dumps({"keys": [signer.jwk for signer in signers]}).encode()

    def sweep(self, minutes: int = 1) -> None:
        for _ in range(minutes):
            keys.run(self.env, self.clock.now_ms() + 45_000)
            self.clock.sleep_ms(MINUTE_MS)

    def reads(self) -> list[tuple[Operation, str, str]]:
        """Return the calls to the store since the last call of this method."""
        calls = list(self.store.calls)
        self.store.calls.clear()
        return calls


@pytest.fixture
def world() -> Iterator[World]:
    """Yield a world in which the old key is published and known."""
    world = World()
    world.publish(OLD)
    world.sweep()
    world.reads()
    with using(composition(world.region_settings, world.env)):
        yield world


READ = (Operation.GET, CONTROL[WEST].name, record_key(ISSUER))


def test_a_published_key_is_accepted(world: World) -> None:
    assert ask(OLD.token()) == {"tenant": "acme", "scopes": "read write"}


def test_the_hot_path_asks_its_own_bucket_once_a_minute_and_nobody_else(world: World) -> None:
    fetches = list(world.source.asked)
    for _ in range(600):
        assert ask(OLD.token())
        world.clock.sleep_ms(200)
    assert world.reads() == [READ, READ], "two minutes"
    assert world.source.asked == fetches, "never the issuer"


def test_what_is_remembered_is_parsed_once(world: World) -> None:
    assert ask(OLD.token())
    keyring = composition(world.region_settings, world.env).keyring
    issuer = keyring.issuer(ISSUER)
    assert issuer is not None
    parsed = keyring.key(issuer, "old")
    world.clock.sleep_ms(2 * MINUTE_MS)
    assert keyring.key(issuer, "old") is parsed is not None


def test_tokens_with_unknown_keys_are_no_stampede(world: World) -> None:
    """A thousand tokens come in a minute, each with another kid. They cost six reads."""
    forger = Signer.make("ES256")
    for number in range(1000):
        assert ask(forger.token(kid=f"x-{number}")) is None
        world.clock.sleep_ms(60)
    assert world.reads() == [READ] * 6
    assert len(world.source.asked) == 1


def test_nor_are_tokens_of_unknown_issuers(world: World) -> None:
    for number in range(100):
        assert ask(OLD.token(iss=f"https://evil.example.com/{number}")) is None
    assert world.reads() == []


def test_a_rotation_needs_no_restart(world: World) -> None:
    assert ask(OLD.token())
    assert ask(NEW.token()) is None
    world.publish(OLD, NEW)
    world.sweep(5)
    assert ask(NEW.token())
    assert ask(OLD.token())


def test_a_new_key_is_known_seconds_after_the_sweep_knows_it(world: World) -> None:
    world.sweep(4)
    assert ask(NEW.token()) is None, "this process has just looked"
    world.publish(NEW, OLD)
    keys.run(world.env, world.clock.now_ms() + 45_000)
    assert ask(NEW.token()) is None
    world.clock.sleep_ms(10 * SECOND_MS)
    assert ask(NEW.token())


def test_an_old_key_counts_for_its_grace_and_no_longer(world: World) -> None:
    assert ask(OLD.token())
    world.publish(NEW)
    world.sweep(5)
    left_ms = world.clock.now_ms() - MINUTE_MS
    grace_ms = world.env.policy.keys_grace_ms
    world.source.answers.clear()  # From now on the issuer is down.
    world.clock.sleep_ms(left_ms + grace_ms - 1 - world.clock.now_ms())
    assert ask(OLD.token())
    world.clock.sleep_ms(1)
    assert ask(OLD.token()) is None
    assert ask(NEW.token())


def test_a_key_that_was_replaced_under_its_name_is_refused_at_once(world: World) -> None:
    replacement = Signer.make("ES256", "old")
    assert ask(replacement.token()) is None
    world.publish(replacement)
    world.sweep(5)
    assert ask(replacement.token())
    assert ask(OLD.token()) is None


def test_the_issuer_is_down_for_days(world: World) -> None:
    world.source.answers.clear()
    for _ in range(5):
        world.clock.sleep_ms(DAY_MS)
        world.sweep()
        assert ask(OLD.token())
    # A process that has just started accepts it too.
    with using(composition(world.region_settings, world.env)):
        assert ask(OLD.token())


def test_the_other_region_is_dead(world: World) -> None:
    world.store.rule(Rule(region=EAST, times=None))
    world.clock.sleep_ms(DAY_MS)
    world.sweep()
    world.reads()
    with using(composition(world.region_settings, world.env)):
        assert ask(OLD.token())
    assert world.reads() == [READ]


def test_both_regions_accept_the_same_tokens(world: World) -> None:
    east = World(EAST, world.source, world.clock, world.store, world.log)
    with using(composition(east.region_settings, east.env)):
        assert ask(OLD.token()) is None, "its sweep has not run yet"
        east.sweep()
        assert ask(OLD.token()) == {"tenant": "acme", "scopes": "read write"}
    assert ask(OLD.token()) == {"tenant": "acme", "scopes": "read write"}


def test_a_bucket_that_does_not_answer_takes_no_key_away(world: World) -> None:
    assert ask(OLD.token())
    world.store.rule(Rule(Operation.GET, times=None))
    world.reads()
    for _ in range(10):
        world.clock.sleep_ms(MINUTE_MS)
        assert ask(OLD.token())
    assert world.reads() == [READ] * 10, "and is not asked the more for it"
    assert "keys-not-read" in [name for name, _ in world.log.lines]


def test_a_good_token_is_not_refused_because_the_keys_can_not_be_read(world: World) -> None:
    """A new process finds that its Region's storage hangs. API Gateway makes a 503 of the error, and would make a 403
    of a refusal."""
    rule = world.store.rule(Rule(Operation.GET, times=None, error=lambda: NoAnswer("ReadTimeoutError", "no answer")))
    with using(composition(world.region_settings, world.env)):
        with pytest.raises(NoAnswer):
            ask(OLD.token())
        world.store.rules.remove(rule)
        world.clock.sleep_ms(MINUTE_MS)
        assert ask(OLD.token())


def test_nor_is_one_of_a_key_that_may_be_new(world: World) -> None:
    assert ask(OLD.token())
    world.store.rule(Rule(Operation.GET, times=None))
    world.clock.sleep_ms(MINUTE_MS)
    with pytest.raises(Retry):
        ask(NEW.token())
    assert ask(OLD.token())


def test_a_damaged_record_takes_no_key_away(world: World) -> None:
    assert ask(OLD.token())
    for body in (b"", b"{}", b'{"record":"keys","version":1,"issuer":"x","checked_ms":1,"keys":{"old":{"jwk":{}}}}'):
        world.store.store.overwrite(CONTROL[WEST], record_key(ISSUER), body)
        world.clock.sleep_ms(MINUTE_MS)
        assert ask(OLD.token())


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"record":"keys"}'])
def test_nor_because_their_record_is_damaged(world: World, body: bytes) -> None:
    """A new process reads a damaged record. The sweep replaces it. Until then no answer says that the token is bad,
    since API Gateway would remember that."""
    world.store.store.overwrite(CONTROL[WEST], record_key(ISSUER), body)
    with using(composition(world.region_settings, world.env)):
        with pytest.raises(Retry, match="can't be read"):
            ask(OLD.token())
        world.clock.sleep_ms(5 * MINUTE_MS)
        world.sweep()
        assert ask(OLD.token())


def test_nor_because_the_bucket_is_away(world: World) -> None:
    world.store.rule(Rule(Operation.GET, error=lambda: NoSuchBucket("NoSuchBucket", "no bucket")))
    with using(composition(world.region_settings, world.env)):
        with pytest.raises(Retry):
            ask(OLD.token())
        world.clock.sleep_ms(MINUTE_MS)
        assert ask(OLD.token())


def test_nothing_is_kept_yet(world: World) -> None:
    """S3 answers 403 for a missing key to a caller that may not list the bucket, and the authorizer may not."""
    world.store.store.delete(CONTROL[WEST], record_key(ISSUER))
    with using(composition(world.region_settings, world.env)):
        assert ask(OLD.token()) is None
        world.store.rule(Rule(Operation.GET, error=lambda: Denied("AccessDenied", "no")))
        world.clock.sleep_ms(MINUTE_MS)
        assert ask(OLD.token()) is None
        world.clock.sleep_ms(10 * MINUTE_MS)
        world.sweep()
        assert ask(OLD.token())
