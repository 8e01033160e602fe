"""Read template.yaml for tests, and resolve the intrinsics that EFT uses, for given parameters.

This is no emulator: an unknown intrinsic is an error, so that nothing is silently left out.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"
_IN_TEXT = re.compile(r"\$\{([^}!]+)\}")


class _Loader(yaml.SafeLoader):
    pass


def _intrinsic(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _intrinsic)


def load() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)
    return loaded


def resolve(value: Any, template: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    """Return `value` with its intrinsics resolved. `names` holds parameters, pseudo parameters and the names of
    resources. A parameter that is not in it has its default."""
    known = {name: str(spec["Default"]) for name, spec in template["Parameters"].items() if "Default" in spec}
    return _Resolver(template, {**known, **names}).of(value)


class _Resolver:
    def __init__(self, template: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self._conditions = template["Conditions"]
        self._names = names

    def of(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(name, argument)] = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._apply(name, argument)
        return {name: self.of(item) for name, item in value.items()}

    def _apply(self, name: str, argument: Any) -> Any:
        if name == "Ref":
            return self._names[argument]
        if name == "Fn::Sub":
            text, extra = argument if isinstance(argument, list) else (argument, {})
            local = {key: self.of(item) for key, item in extra.items()}
            return _IN_TEXT.sub(lambda variable: {**self._names, **local}[variable[1]], text)
        if name == "Fn::If":
            condition, yes, no = argument
            return self.of(yes if self.of(self._conditions[condition]) else no)
        if name == "Fn::Equals":
            left, right = self.of(argument)
            return left == right
        if name == "Fn::Not":
            return not self.of(argument[0])
        if name == "Fn::Select":
            index, items = self.of(argument)
            return items.split(",")[index] if isinstance(items, str) else items[index]
        raise NotImplementedError(name)
