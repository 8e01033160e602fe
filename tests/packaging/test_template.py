"""The template that AWS gets is valid in both Regions and regional, and it loses no message and no failure."""

import json
import re
from typing import Any

import cfnlint  # type: ignore[import-untyped]

from chalicelib.core.policy import Policy
from chalicelib.protocol import notices
from local.package import Package
from tests.packaging.conftest import of_type

QUEUE = "AWS::SQS::Queue"
FUNCTION = "AWS::Serverless::Function"


def test_cfn_lint_finds_nothing(cloudformation: dict[str, Any], region: str) -> None:
    findings = cfnlint.lint(json.dumps(cloudformation), config=cfnlint.ManualArgs(regions=[region]))
    assert [f"{finding.rule.id} {finding.path}: {finding.message}" for finding in findings] == []


def test_api_is_regional(cloudformation: dict[str, Any]) -> None:
    apis = of_type(cloudformation, "AWS::ApiGateway::RestApi")
    assert [api["EndpointConfiguration"] for api in apis.values()] == [{"Types": ["REGIONAL"]}]
    assert "EDGE" not in json.dumps(cloudformation)


def test_no_partition_is_written_out(packaged: Package, cloudformation: dict[str, Any]) -> None:
    assert re.findall(r"arn:aws[a-z-]*:", packaged.template.read_text()) == []
    assert re.findall(r"arn:aws[a-z-]*:", json.dumps(cloudformation)) == []


def test_no_region_is_written_out_but_the_defaults(sam: dict[str, Any]) -> None:
    rest = {name: section for name, section in sam.items() if name != "Parameters"}
    assert re.findall(r"us-gov-\w+-\d", json.dumps(rest)) == []


def test_every_queue_has_dead_letters_or_is_for_them(sam: dict[str, Any]) -> None:
    queues = of_type(sam, QUEUE)
    text = json.dumps([of_type(sam, QUEUE), of_type(sam, "AWS::Events::Rule")])
    dead_letter_queues = set(
        re.findall(r'(?:deadLetterTargetArn|DeadLetterConfig": \{"Arn)": \{"Fn::GetAtt": \["(\w+)"', text)
    )
    assert dead_letter_queues <= set(queues)
    assert {name for name, queue in queues.items() if "RedrivePolicy" not in queue} == dead_letter_queues


def test_every_rule_target_has_dead_letters(sam: dict[str, Any]) -> None:
    rules = of_type(sam, "AWS::Events::Rule")
    assert rules
    assert [target for rule in rules.values() for target in rule["Targets"] if "DeadLetterConfig" not in target] == []


def test_every_queue_is_encrypted(sam: dict[str, Any]) -> None:
    assert all(queue["SqsManagedSseEnabled"] is True for queue in of_type(sam, QUEUE).values())


def test_every_event_source_reports_partial_failures(sam: dict[str, Any]) -> None:
    sources = _event_sources(sam)
    assert len(sources) == 6
    assert all(source["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for _, source in sources)


def test_every_event_source_is_bounded(sam: dict[str, Any]) -> None:
    for _, source in _event_sources(sam):
        parameter = sam["Parameters"][source["ScalingConfig"]["MaximumConcurrency"]["Ref"]]
        assert parameter["MinValue"] == 2, "Lambda takes 2 to 1,000"


def test_a_message_is_hidden_for_six_function_timeouts_and_the_window(sam: dict[str, Any]) -> None:
    for function, source in _event_sources(sam):
        queue = re.fullmatch(r"\$\{(\w+)\.Arn\}", source["Queue"]["Fn::Sub"])
        assert queue, source["Queue"]
        visibility_s = of_type(sam, QUEUE)[queue[1]]["VisibilityTimeout"]
        assert visibility_s >= 6 * function["Timeout"] + source.get("MaximumBatchingWindowInSeconds", 0)


def test_steps_that_start_each_other_all_day_are_no_loop(cloudformation: dict[str, Any]) -> None:
    """Lambda stops functions that invoke themselves by messages for about the sixteenth time, unless their
    configuration allows it."""
    functions = of_type(cloudformation, "AWS::Lambda::Function")
    assert {name: function["RecursiveLoop"] for name, function in functions.items()} == dict.fromkeys(
        functions, "Allow"
    )


def test_webhooks_are_told_what_other_systems_are_told(sam: dict[str, Any]) -> None:
    rule = of_type(sam, "AWS::Events::Rule")["Told"]
    assert rule["EventBusName"] == {"Ref": "EventBus"}
    assert rule["EventPattern"] == {
        "source": [notices.SOURCE],
        "detail-type": [notices.JOB_SETTLED, notices.DELIVERY_FAILED, notices.FEED_STOPPED],
    }
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["NotifyQueue", "Arn"]}]


def test_functions_fit_their_callers(sam: dict[str, Any]) -> None:
    functions = of_type(sam, FUNCTION)
    assert functions["APIHandler"]["Timeout"] <= 29, "API Gateway gives up then"
    assert functions["Sweep"]["Timeout"] < 60, "the next one comes after a minute"
    assert all(function["Timeout"] <= 900 for function in functions.values())
    assert all(function["Tracing"] == "Active" for function in functions.values())
    assert {function["Runtime"] for function in functions.values()} == {"python3.11"}


def test_a_hint_outlives_its_event(sam: dict[str, Any]) -> None:
    """A hint is delayed for as long as the other Region's queue can hold the event itself."""
    for name in ("IntakeQueue", "HintQueue"):
        assert of_type(sam, QUEUE)[name]["MessageRetentionPeriod"] * 1000 == Policy().events_kept_ms


def test_buckets(sam: dict[str, Any]) -> None:
    buckets = of_type(sam, "AWS::S3::Bucket")
    assert set(buckets) == {"ControlBucket", "SourceBucket", "TargetBucket"}
    for bucket in buckets.values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert "BucketEncryption" in bucket
    assert "LifecycleConfiguration" not in buckets["TargetBucket"], "its uploads belong to jobs that may run for days"
    rules = {rule["Id"]: rule for rule in buckets["ControlBucket"]["LifecycleConfiguration"]["Rules"]}
    assert {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules.values() if "Prefix" in rule} == {
        "report/": 30,
        "delivered/": 90,
    }
    for name in ("SourceBucket", "TargetBucket"):
        assert buckets[name]["VersioningConfiguration"] == {"Status": "Enabled"}
        assert buckets[name]["NotificationConfiguration"]["EventBridgeConfiguration"] == {"EventBridgeEnabled": True}


def test_every_bucket_refuses_plain_http(sam: dict[str, Any]) -> None:
    policies = of_type(sam, "AWS::S3::BucketPolicy").values()
    assert {policy["Bucket"]["Ref"] for policy in policies} == set(of_type(sam, "AWS::S3::Bucket"))
    for policy in policies:
        statement = policy["PolicyDocument"]["Statement"][0]
        assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        bucket = policy["Bucket"]["Ref"]
        assert statement["Resource"] == [{"Fn::Sub": f"${{{bucket}.Arn}}"}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}]


def test_data_outlives_the_stack(sam: dict[str, Any]) -> None:
    for name in ("Table", "ControlBucket", "SourceBucket", "TargetBucket"):
        resource = sam["Resources"][name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_table_is_declared_in_one_stack_with_both_replicas(sam: dict[str, Any]) -> None:
    assert sam["Resources"]["Table"]["Condition"] == "InWest"
    replicas = of_type(sam, "AWS::DynamoDB::GlobalTable")["Table"]["Replicas"]
    assert [replica["Region"] for replica in replicas] == [{"Ref": "WestRegion"}, {"Ref": "EastRegion"}]


def test_every_queue_and_function_has_its_alarm(sam: dict[str, Any]) -> None:
    watched = json.dumps([alarm.get("Dimensions") for alarm in of_type(sam, "AWS::CloudWatch::Alarm").values()])
    for queue in of_type(sam, QUEUE):
        assert f'["{queue}", "QueueName"]' in watched
    for function in of_type(sam, FUNCTION):
        assert f'{{"Ref": "{function}"}}' in watched


def test_a_token_is_looked_at_again_after_a_minute(cloudformation: dict[str, Any]) -> None:
    """API Gateway keeps the authorizer's answer for a minute. The expiry of a token, and a new key, take effect so much
    later."""
    [api] = of_type(cloudformation, "AWS::ApiGateway::RestApi").values()
    assert (
        api["Body"]["securityDefinitions"]["bearer"]["x-amazon-apigateway-authorizer"]["authorizerResultTtlInSeconds"]
        == 60
    )


def test_somebody_is_called_when_an_issuer_gives_no_keys(sam: dict[str, Any]) -> None:
    [log_filter] = of_type(sam, "AWS::Logs::MetricFilter").values()
    assert log_filter["LogGroupName"] == {"Ref": "SweepLogGroup"}
    assert '"keys-not-refreshed"' in log_filter["FilterPattern"]
    alarm = of_type(sam, "AWS::CloudWatch::Alarm")["KeysNotRefreshedAlarm"]
    [metric] = log_filter["MetricTransformations"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (metric["MetricNamespace"], metric["MetricName"])


def _event_sources(sam: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return (function, event source) of every queue that a function consumes."""
    return [
        (function, event["Properties"])
        for function in of_type(sam, FUNCTION).values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "SQS"
    ]
