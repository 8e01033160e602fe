"""Each function may do its own work and no more."""

import json
from collections.abc import Iterator
from typing import Any

from tests.packaging.conftest import of_type

ROLE = "AWS::IAM::Role"
NO_RESOURCE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
"""IAM knows no resource but `*` for these actions."""
INLINE_POLICIES_MAX_CHARACTERS = 10_240


def test_every_function_has_a_role_of_its_own(sam: dict[str, Any]) -> None:
    roles = [function["Role"]["Fn::GetAtt"][0] for function in of_type(sam, "AWS::Serverless::Function").values()]
    assert len(roles) == 8
    assert len(set(roles)) == len(roles)
    assert set(roles) <= set(of_type(sam, ROLE))


def test_roles_are_named_after_stack_function_and_region(sam: dict[str, Any]) -> None:
    """EFT_OWN_ROLES goes by these names. The role names of an account are shared by all its Regions."""
    names = {name: role["RoleName"]["Fn::Sub"] for name, role in of_type(sam, ROLE).items()}
    assert names["CopyRole"] == "${AWS::StackName}-copy-${AWS::Region}"
    assert all(name.startswith("${AWS::StackName}-") and name.endswith("-${AWS::Region}") for name in names.values())


def test_no_wildcard_resource_but_where_iam_demands_it(cloudformation: dict[str, Any]) -> None:
    for role, statement in _statements(cloudformation):
        if '"*"' in json.dumps(statement["Resource"]):
            assert set(statement["Action"]) <= NO_RESOURCE, f"{role}: {statement['Sid']}"


def test_no_wildcard_action(cloudformation: dict[str, Any]) -> None:
    assert [
        action for _, statement in _statements(cloudformation) for action in statement["Action"] if "*" in action
    ] == []


def test_every_role_only_allows(cloudformation: dict[str, Any]) -> None:
    assert {statement["Effect"] for _, statement in _statements(cloudformation)} == {"Allow"}


def test_policies_fit_a_role(cloudformation: dict[str, Any]) -> None:
    for name, role in of_type(cloudformation, ROLE).items():
        text = json.dumps([policy["PolicyDocument"] for policy in role.get("Policies", [])], separators=(",", ":"))
        assert len(text) <= INLINE_POLICIES_MAX_CHARACTERS, name


def test_who_may_write_what_matters(cloudformation: dict[str, Any]) -> None:
    def may(action: str, bucket: str) -> set[str]:
        return {
            role
            for role, statement in _statements(cloudformation)
            if action in statement["Action"] and f"-{bucket}-" in json.dumps(statement["Resource"])
        }

    # The role of the API may only begin an upload, under the name by which it tries endpoints.
    assert may("s3:PutObject", "target") == {"IntakeRole", "CopyRole", "ApiHandlerRole"}
    for role, statement in _statements(cloudformation):
        if role == "ApiHandlerRole" and {"s3:PutObject", "s3:AbortMultipartUpload"} & set(statement["Action"]):
            resources = json.dumps(statement["Resource"])
            assert "-control-" in resources or resources.count("/*.eft-probe/*") == 4, resources
    # A function that accepts a job reads its manifest at that time, so that no other function reads it later. These are
    # the API and, for schedules, the sweep. Verify asks a feed's source whether the delivered version is still the
    # newest.
    readers = {"ApiHandlerRole", "IntakeRole", "SplitRole", "CopyRole", "VerifyRole", "SweepRole"}
    assert may("s3:GetObject", "source") == readers
    assert may("s3:AbortMultipartUpload", "target") == {"CopyRole", "VerifyRole", "SweepRole", "ApiHandlerRole"}
    assert may("s3:AbortMultipartUpload", "control") == {"SplitRole"}
    assert may("s3:PutObject", "source") == may("s3:DeleteObject", "source") == set()
    assert may("s3:DeleteObject", "target") == {"CopyRole"}
    assert may("s3:DeleteObjectVersion", "") == set()


def test_the_api_starts_only_what_submitting_cancelling_resuming_and_testing_start(
    cloudformation: dict[str, Any],
) -> None:
    sending = [
        statement["Resource"]
        for role, statement in _statements(cloudformation)
        if role == "ApiHandlerRole" and "sqs:SendMessage" in statement["Action"]
    ]
    assert [[queue["Fn::GetAtt"][0] for queue in queues] for queues in sending] == [
        ["SplitQueue", "CopyQueue", "NotifyQueue"]
    ]


def test_targets_objects_are_deleted_only_by_a_request_that_says_which(cloudformation: dict[str, Any]) -> None:
    """IAM itself refuses a DeleteObject without If-Match (S3 user guide, "Enforce conditional deletes")."""
    [deleting] = [
        statement
        for role, statement in _statements(cloudformation)
        if "s3:DeleteObject" in statement["Action"] and "-target-" in json.dumps(statement["Resource"])
    ]
    assert deleting["Condition"] == {"Null": {"s3:if-match": "false"}}


def test_whoever_accepts_plans_or_carries_out_deletions_may_see_whether_they_can_be_undone(
    cloudformation: dict[str, Any],
) -> None:
    asking = {
        role: json.dumps(statement["Resource"])
        for role, statement in _statements(cloudformation)
        if "s3:GetBucketVersioning" in statement["Action"]
    }
    assert set(asking) == {"ApiHandlerRole", "SweepRole", "SplitRole", "CopyRole"}
    for resources in asking.values():
        assert resources.count("-target-") == 2
        assert "/*" not in resources, "it is the bucket's, not an object's"


def test_control_records_are_never_deleted_but_markers_of_what_is_open(cloudformation: dict[str, Any]) -> None:
    for role, statement in _statements(cloudformation):
        if "s3:DeleteObject" in statement["Action"] and "-control-" in json.dumps(statement["Resource"]):
            allowed = ("/open/*", "/backfills/*") if role == "SweepRole" else ("/open/*",)
            assert all(resource["Fn::Sub"].endswith(allowed) for resource in statement["Resource"])


def test_the_sweep_may_catch_up_with_feeds(cloudformation: dict[str, Any]) -> None:
    """The sweep lists sources and hands the objects to intake, goes through deliveries by the index, and notes the
    outcomes of a feed job that it settles."""
    sweep = [statement for role, statement in _statements(cloudformation) if role == "SweepRole"]

    def resources(action: str) -> str:
        return json.dumps([statement["Resource"] for statement in sweep if action in statement["Action"]])

    assert "-source-" in resources("s3:ListBucket")
    assert "IntakeQueue" in resources("sqs:SendMessage")
    assert "/index/tenant" in resources("dynamodb:Query")
    for action in ("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"):
        assert "table/" in resources(action)


def test_intake_may_see_whether_a_feed_is_paused(cloudformation: dict[str, Any]) -> None:
    for action in ("s3:GetObject", "s3:ListBucket"):
        assert any(
            "-control-" in json.dumps(statement["Resource"])
            for role, statement in _statements(cloudformation)
            if role == "IntakeRole" and action in statement["Action"]
        )


def test_whoever_makes_reports_starts_itself_and_gives_up_only_their_uploads(cloudformation: dict[str, Any]) -> None:
    split = [statement for role, statement in _statements(cloudformation) if role == "SplitRole"]
    aborting = [statement["Resource"] for statement in split if "s3:AbortMultipartUpload" in statement["Action"]]
    assert [resource["Fn::Sub"].rsplit("}", 1)[1] for [*resources] in aborting for resource in resources] == [
        "/report/*",
        "/report/*",
    ]
    [sending] = [statement["Resource"] for statement in split if "sqs:SendMessage" in statement["Action"]]
    assert {"Fn::GetAtt": ["SplitQueue", "Arn"]} in sending


def test_the_authorizer_reads_its_own_regions_keys_and_nothing_else(cloudformation: dict[str, Any]) -> None:
    allowed = {
        statement["Sid"]: (statement["Action"], statement["Resource"])
        for role, statement in _statements(cloudformation)
        if role == "BearerRole"
    }
    assert allowed.keys() == {"WriteOwnLog", "Trace", "Keys"}
    bucket = "arn:${AWS::Partition}:s3:::${AWS::StackName}-control-${AWS::AccountId}-${AWS::Region}"
    assert allowed["Keys"] == (["s3:GetObject"], {"Fn::Sub": f"{bucket}/keys/*"})


def test_keys_are_put_by_the_sweep_of_their_region_alone(sam: dict[str, Any]) -> None:
    """This holds whatever the functions' own policies allow in the control buckets."""
    [policy] = [p for p in of_type(sam, "AWS::S3::BucketPolicy").values() if p["Bucket"] == {"Ref": "ControlBucket"}]
    [deny] = [s for s in policy["PolicyDocument"]["Statement"] if s["Sid"] == "KeysBySweepOnly"]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:PutObject")
    assert deny["Resource"] == {"Fn::Sub": "${ControlBucket.Arn}/keys/*"}
    name = of_type(sam, ROLE)["SweepRole"]["RoleName"]["Fn::Sub"]
    role = {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{name}"}
    assert deny["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": role}}


def test_what_posts_to_tenants_servers_reaches_the_table_and_its_own_queues_alone(
    cloudformation: dict[str, Any],
) -> None:
    """This function alone connects to addresses that tenants choose, so it can reach no object."""
    allowed = {
        statement["Sid"]: statement["Resource"]
        for role, statement in _statements(cloudformation)
        if role == "NotifyRole"
    }
    assert allowed.keys() == {"WriteOwnLog", "Trace", "ReceiveOwnQueue", "Table", "AgainOrGivenUp"}
    assert allowed["AgainOrGivenUp"] == [
        {"Fn::GetAtt": ["NotifyQueue", "Arn"]},
        {"Fn::GetAtt": ["NotifyDeadLetters", "Arn"]},
    ]


def test_both_regions_buckets_are_named(cloudformation: dict[str, Any]) -> None:
    """A worker finishes what a dead Region began. The authorizer asks its own Region alone."""
    for role, statement in _statements(cloudformation):
        text = json.dumps(statement["Resource"])
        if "arn:${AWS::Partition}:s3:::" in text and role != "BearerRole":
            assert text.count("${WestRegion}") == text.count("${EastRegion}") > 0


def test_queues_take_messages_only_from_named_sources(sam: dict[str, Any]) -> None:
    policies = of_type(sam, "AWS::SQS::QueuePolicy").values()
    statements = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    assert len(statements) == 6
    for statement in statements:
        assert statement["Action"] == "sqs:SendMessage"
        assert statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        if statement["Principal"]["Service"] == "s3.amazonaws.com":
            assert statement["Condition"]["StringEquals"]["aws:SourceAccount"]


def _statements(template: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (role, statement) of every function's policy. A statement that depends on a condition is included."""
    for name, role in of_type(template, ROLE).items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement["Fn::If"][1] if "Fn::If" in statement else statement
