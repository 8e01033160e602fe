"""Computes time budgets: how long one call to a dependency may take before it counts as unanswered (`NoAnswer`), and
which bounds follow for the callers. All of them follow from the settings (ADR 0022).

The sweep and the API have short timeouts: they have other work, and a next run or request comes soon. Workers have long
ones: a copy takes minutes.
"""

from dataclasses import dataclass
from enum import Enum

from chalicelib.core.policy import Policy

SWEEP_TIMEOUT_MS = 55_000
"""Lambda kills a sweep after this time, as template.yaml says: before the next sweep begins."""
API_GATEWAY_TIMEOUT_MS = 29_000
"""API Gateway times out after this time (developer guide, "Quotas")."""
STRIKES = 3
"""After this many different calls without an answer, and none with one, a dependency is not called again in this
invocation. For the sweep and the API, one call that took `dear_ms` is enough."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The timeouts of one call: for its connection, and for each wait for more of the answer. A call that gets no
    answer is not retried."""

    connect_ms: int
    read_ms: int

    @property
    def whole_ms(self) -> int:
        """The longest time that a hanging call takes: it hangs while connecting or while waiting for the answer."""
        return self.connect_ms + self.read_ms


class Caller(Enum):
    """A kind of function, by how long it can wait."""

    SWEEP = "sweep"
    API = "api"
    AUTHORIZER = "authorizer"
    WORKER = "worker"


def call_budget(policy: Policy, caller: Caller, *, peer: bool) -> Budget:
    """Return the budget of any call but a copy. `peer`: the call goes to another Region."""
    if caller is Caller.AUTHORIZER:
        return Budget(policy.authorizer_connect_ms, policy.authorizer_read_ms)
    if caller is Caller.WORKER:
        return Budget(policy.worker_connect_ms, policy.worker_read_ms)
    if peer:
        return Budget(policy.peer_connect_ms, policy.peer_read_ms)
    return Budget(policy.own_connect_ms, policy.own_read_ms)


def copy_budget(policy: Policy, caller: Caller, *, peer: bool) -> Budget:
    """Return the budget of a copy call. S3 moves bytes before it answers, so the answer takes long."""
    if caller is Caller.WORKER:
        return Budget(policy.worker_connect_ms, policy.copy_read_ms)
    return call_budget(policy, caller, peer=peer)


def count_budget(policy: Policy) -> Budget:
    """Return the budget of counting a request. Every request of the API begins with this count, and can do without
    it."""
    return Budget(policy.count_connect_ms, policy.count_read_ms)


@dataclass(frozen=True, slots=True)
class CallBudgets:
    """The call budgets of one function's clients. `region` is the function's own Region."""

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
    """Return the longest time that one call of the sweep or the API takes, in milliseconds."""
    return max(call_budget(policy, Caller.SWEEP, peer=peer).whole_ms for peer in (False, True))


def dear_ms(policy: Policy) -> int:
    """Return how long a quick call without an answer must have taken to count as time lost, in milliseconds.

    A call that failed at once lost no time and proves little: a connection that was kept too long is closed so. Nor
    does the count of requests prove much, whose timeouts are shorter: the table may well answer other calls.
    """
    return min(policy.own_connect_ms, policy.peer_connect_ms) * 3 // 4


# --- the API --------------------------------------------------------------------------------------------------


def authorizer_ms(policy: Policy) -> int:
    """Return how long a cold authorizer may have to wait for its one read of an issuer's keys, in milliseconds."""
    return call_budget(policy, Caller.AUTHORIZER, peer=False).whole_ms


def request_ms(policy: Policy) -> int:
    """Return how much of `api_answer_ms` is left for the function itself, after the authorizer, in milliseconds."""
    return policy.api_answer_ms - authorizer_ms(policy)


def worst_answer_ms(policy: Policy) -> int:
    """Return the longest time that a client waits while something hangs and the rest answers at once, in milliseconds.

    It consists of the authorizer's read and the function's own time. Once a call of the function has got no answer, the
    function begins no call that might not end in time.
    """
    first = max(count_budget(policy).whole_ms, quick_ms(policy))
    return authorizer_ms(policy) + max(first, request_ms(policy))


# --- the sweep ------------------------------------------------------------------------------------------------


def reserve_ms(policy: Policy) -> int:
    """Return how long before its end a sweep stops beginning calls, in milliseconds. The longest call may take this
    long."""
    return quick_ms(policy)


def silence_ms(policy: Policy, *, peer: bool) -> int:
    """Return how much time a sweep loses to one dependency that hangs, in milliseconds: its first call. Further calls
    fail at once."""
    return call_budget(policy, Caller.SWEEP, peer=peer).whole_ms


def worst_sweep_ms(policy: Policy) -> int:
    """Return the duration of the longest sweep, whatever hangs and however slow the rest is, in milliseconds.

    Calls are begun until the last stage's share ends, and the last call takes its whole budget. An issuer is asked
    last. It may take its budget once more, for the last piece of its answer.
    """
    return policy.sweep_run_ms + max(quick_ms(policy), 2 * policy.key_source_ms)
