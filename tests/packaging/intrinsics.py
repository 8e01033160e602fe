"""Resolve the intrinsic functions in the template's environment variables, as CloudFormation would."""

import re
from collections.abc import Mapping
from typing import Any

Template = Mapping[str, Any]


class Stack:
    """The names of one Region's stack of a template."""

    def __init__(self, template: Template, region: str, parameters: Mapping[str, str]) -> None:
        self._conditions = template.get("Conditions", {})
        self._resources = template["Resources"]
        self._values = {name: str(entry.get("Default", "")) for name, entry in template["Parameters"].items()}
        self._values |= parameters
        self._values |= {
            "AWS::Region": region,
            "AWS::AccountId": "123456789012",
            "AWS::StackName": "eft",
            "AWS::Partition": "aws-us-gov",
            "AWS::URLSuffix": "amazonaws.com",
        }

    def resolve(self, node: Any) -> Any:
        match node:
            case {"Ref": name}:
                return self._ref(name)
            case {"Fn::Sub": [text, names]}:
                return self._sub(text, {name: self.resolve(value) for name, value in names.items()})
            case {"Fn::Sub": text}:
                return self._sub(text, {})
            case {"Fn::If": [condition, yes, no]}:
                return self.resolve(yes if self._holds(self._conditions[condition]) else no)
            case {"Fn::Select": [index, items]}:
                return self.resolve(items).split(",")[index]
            case dict() if any(key.startswith("Fn::") for key in node):
                raise NotImplementedError(f"{list(node)} in an environment variable")
            case _:
                return node

    def _ref(self, name: str) -> str:
        if name in self._values:
            return self._values[name]
        resource = self._resources[name]
        properties = resource["Properties"]
        if resource["Type"] == "AWS::SQS::Queue":
            queue = self.resolve(properties["QueueName"])
            return f"https://sqs.{self._values['AWS::Region']}.amazonaws.com/{self._values['AWS::AccountId']}/{queue}"
        if resource["Type"] == "AWS::Events::EventBus":
            return str(self.resolve(properties["Name"]))
        raise NotImplementedError(f"Ref of {name}, a {resource['Type']}")

    def _sub(self, text: str, names: Mapping[str, str]) -> str:
        return re.sub(r"\$\{([^}]+)\}", lambda variable: names.get(variable[1]) or self._ref(variable[1]), text)

    def _holds(self, condition: Any) -> bool:
        match condition:
            case {"Fn::Equals": [left, right]}:
                return bool(self.resolve(left) == self.resolve(right))
            case {"Fn::Not": [inner]}:
                return not self._holds(inner)
        raise NotImplementedError(f"condition {condition}")
