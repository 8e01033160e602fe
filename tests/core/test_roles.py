"""Whose session a caller has: only that of exactly this role of exactly this account counts."""

import pytest

from chalicelib.core.roles import acts_in, session_prefix

OURS = ("arn:aws-us-gov:iam::111122223333:role/eft-copy", "arn:aws-us-gov:iam::111122223333:role/teams/eft-api")


@pytest.mark.parametrize("role", ["eft-copy", "eft-api"])
def test_a_session_of_one_of_the_roles(role: str) -> None:
    """The session's ARN names the role without its path."""
    assert acts_in(f"arn:aws-us-gov:sts::111122223333:assumed-role/{role}/some-function", OURS)


@pytest.mark.parametrize(
    "principal",
    [
        "arn:aws-us-gov:sts::444455556666:assumed-role/eft-copy/f",
        "arn:aws:sts::111122223333:assumed-role/eft-copy/f",
        "arn:aws-us-gov:sts::111122223333:assumed-role/eft-copy-2/f",
        "arn:aws-us-gov:sts::111122223333:assumed-role/their-eft-copy/f",
        "arn:aws-us-gov:sts::111122223333:assumed-role/eft/eft-copy",
        "arn:aws-us-gov:sts::111122223333:assumed-role/eft-copy",
        "arn:aws-us-gov:sts::111122223333:federated-user/eft-copy",
        "arn:aws-us-gov:iam::111122223333:role/eft-copy",
        "arn:aws-us-gov:iam::111122223333:user/eft-copy/f",
        "x:arn:aws-us-gov:sts::111122223333:assumed-role/eft-copy/f",
        "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a",
        "",
    ],
)
def test_anybody_else(principal: str) -> None:
    assert not acts_in(principal, OURS)


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "eft-copy-",
        "arn:aws-us-gov:iam::111122223333:user/eft-copy",
        "arn:aws-us-gov:iam::1111:role/eft-copy",
        "arn:aws-us-gov:iam::111122223333:role/",
        "arn:aws-us-gov:sts::111122223333:assumed-role/eft-copy/f",
        "arn:aws-us-gov:iam::111122223333:role/eft copy",
    ],
)
def test_what_is_no_role(arn: str) -> None:
    with pytest.raises(ValueError, match="is no role's ARN"):
        session_prefix(arn)
