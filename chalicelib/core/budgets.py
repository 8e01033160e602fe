"""How long one call to a dependency may take before it counts as not answered (`NoAnswer`), and what follows for those
who call. All of it comes from the settings (ADR 0022).

Sweep and API are quick: they have other work, and a next time in a minute. Workers are patient: a copy takes minutes.
"""

from dataclasses import dataclass
from enum import Enum

from chalicelib.core.policy import Policy

SWEEP_TIMEOUT_MS = 55_000
"""Lambda kills a sweep then, as template.yaml says: before the next one begins."""
API_GATEWAY_TIMEOUT_MS = 29_000
"""API Gateway gives up then (developer guide, "Quotas")."""
STRIKES = 3
"""So many different calls without an answer and none with one, and a dependency is not asked again in this
invocation."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Of one call: for its connection, and for each wait for more of the answer. A silent one is not called twice."""

    connect_ms: int
    read_ms: int

    @property
    def whole_ms(self) -> int:
        """For what hangs: it hangs at one of both."""
        return self.connect_ms + self.read_ms


class Caller(Enum):
    """Kinds of functions, by how long they can wait."""

    SWEEP = "sweep"
    API = "api"
    AUTHORIZER = "authorizer"
    WORKER = "worker"


def call_budget(policy: Policy, caller: Caller, *, peer: bool) -> Budget:
    """Any call but a copy; `peer`: to another Region."""
    if caller is Caller.AUTHORIZER:
        return Budget(policy.authorizer_connect_ms, policy.authorizer_read_ms)
    if caller is Caller.WORKER:
        return Budget(policy.worker_connect_ms, policy.worker_read_ms)
    if peer:
        return Budget(policy.peer_connect_ms, policy.peer_read_ms)
    return Budget(policy.own_connect_ms, policy.own_read_ms)


def copy_budget(policy: Policy, caller: Caller, *, peer: bool) -> Budget:
    """A call whose answer is long in coming, since S3 moves bytes before it."""
    if caller is Caller.WORKER:
        return Budget(policy.worker_connect_ms, policy.copy_read_ms)
    return call_budget(policy, caller, peer=peer)


def count_budget(policy: Policy) -> Budget:
    """The count that every request of the API begins with, and can do without."""
    return Budget(policy.count_connect_ms, policy.count_read_ms)


@dataclass(frozen=True, slots=True)
class Patience:
    """Of one function's clients. `region` is its own."""

    policy: Policy
    caller: Caller
    region: str

    def call(self, region: str) -> Budget:
        return call_budget(self.policy, self.caller, peer=region != self.region)

    def copy(self, region: str) -> Budget:
        return copy_budget(self.policy, self.caller, peer=region != self.region)

    @property
    def own(self) -> Budget:
        return self.call(self.region)


def quick_ms(policy: Policy) -> int:
    """The longest that one call of the sweep or the API takes."""
    return max(call_budget(policy, Caller.SWEEP, peer=peer).whole_ms for peer in (False, True))


def dear_ms(policy: Policy) -> int:
    """A quick call that got no answer has cost its time if it took so long. One that was closed at once, as a
    connection is that was kept too long, has not, and says little. Nor has the count of requests, which takes less: the
    table may well answer others."""
    return min(policy.own_connect_ms, policy.peer_connect_ms) * 3 // 4


# --- the API --------------------------------------------------------------------------------------------------


def authorizer_ms(policy: Policy) -> int:
    """The one read of an issuer's keys that a cold authorizer may have to wait for."""
    return call_budget(policy, Caller.AUTHORIZER, peer=False).whole_ms


def request_ms(policy: Policy) -> int:
    """What is left of `api_answer_ms` for the function itself, after the authorizer."""
    return policy.api_answer_ms - authorizer_ms(policy)


def worst_answer_ms(policy: Policy) -> int:
    """The longest that a client waits while something hangs, and the rest answers at once: the authorizer's read, and
    the function, which begins no call that might not end in time once something has failed to answer."""
    first = max(count_budget(policy).whole_ms, quick_ms(policy))
    return authorizer_ms(policy) + max(first, request_ms(policy))


# --- the sweep ------------------------------------------------------------------------------------------------


def reserve_ms(policy: Policy) -> int:
    """So long before its end a sweep begins no call: the longest may take as much."""
    return quick_ms(policy)


def silence_ms(policy: Policy, *, peer: bool) -> int:
    """What one sweep loses by a dependency that hangs: its first call. Further ones fail at once."""
    return call_budget(policy, Caller.SWEEP, peer=peer).whole_ms


def worst_sweep_ms(policy: Policy) -> int:
    """The longest sweep, whatever hangs, and however slow the rest is: calls are begun until the last stage's share
    ends, and the last one begun takes its budget; an issuer, which is asked last, may take its own once more, for the
    last piece of its answer."""
    return policy.sweep_run_ms + max(quick_ms(policy), 2 * policy.key_source_ms)
