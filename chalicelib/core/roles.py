"""Tells whether a principal acts in one of our roles. Roles are compared whole: partition, account and name. Another
deployment, in another account, may well call its roles the same."""

import re
from collections.abc import Iterable

_ROLE_ARN = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/(?:[!-~]*/)?([\w+=,.@-]{1,64})", re.ASCII)


def session_prefix(role_arn: str) -> str:
    """Return the beginning of the ARN of every session of a role, up to the session's name. It names the role without
    its path (IAM user guide, "IAM identifiers"). Raises ValueError if `role_arn` is no role's ARN."""
    match = _ROLE_ARN.fullmatch(role_arn)
    if match is None:
        raise ValueError(f"{role_arn!r} is no role's ARN: write arn:aws-us-gov:iam::123456789012:role/name")
    partition, account, name = match.groups()
    return f"arn:{partition}:sts::{account}:assumed-role/{name}/"


def acts_in(principal: str, role_arns: Iterable[str]) -> bool:
    """Tell whether this principal, as S3 names the initiator of an upload, is a session of one of these roles."""
    return principal.startswith(tuple(session_prefix(arn) for arn in role_arns))
