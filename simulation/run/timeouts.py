"""Determine how long the simulated ports wait for an answer that doesn't come, by the settings and docs/failover.md."""

from chalicelib.core.policy import Policy

WORKERS = ("intake", "split", "copy", "verify")
_LONG = ("store.copy", "store.upload_part_copy", "store.complete")


def timeout_ms(policy: Policy, process: str, call: str, *, peer: bool) -> int:
    """Return the timeout of a process' call in milliseconds. Workers wait long; the sweep and the API do not. `peer`
    says that another Region is called."""
    if process in WORKERS:
        return policy.worker_connect_ms + (policy.copy_read_ms if call in _LONG else policy.worker_read_ms)
    if peer:
        return policy.peer_connect_ms + policy.peer_read_ms
    return policy.own_connect_ms + policy.own_read_ms


def request_ms(policy: Policy) -> int:
    """Return the API function's share of the promised answer time, in milliseconds. The authorizer may need the
    rest."""
    return policy.api_answer_ms - policy.authorizer_connect_ms - policy.authorizer_read_ms


def takeover_ms(policy: Policy) -> int:
    """Return the promised time, in milliseconds, for the takeover of a dead Region's partitions. A sweep notices it, it
    looks dead for some time, and the worker that takes over has a minute to start."""
    return policy.sweep_interval_ms + policy.takeover_after_ms + 60_000
