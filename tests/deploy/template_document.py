"""CloudFormation templates: their YAML, and what their policies say once parameters have values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

ACCOUNT, REGION = "123456789012", "us-east-1"
_PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws"}
_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_NOTHING = object()


class _Loader(yaml.SafeLoader):
    """YAML with the short forms of functions."""


def _function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


def load_template(path: Path) -> dict[str, Any]:
    """A template with its functions in their long form."""
    body: dict[str, Any] = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506  # a SafeLoader
    return body


@dataclass(frozen=True)
class Statement:
    """A statement of a policy; patterns may hold `*`.

    Attributes:
        where: Resource of the template, and the Sid.
    """

    where: tuple[str, str]
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def allows(self, action: str, resource: str) -> bool:
        """Whether it does, by the rules of IAM for patterns."""
        return any(_matches(one, action.lower(), lower=True) for one in self.actions) and any(
            _matches(one, resource) for one in self.resources
        )


def _matches(pattern: str, text: str, *, lower: bool = False) -> bool:
    parts = (pattern.lower() if lower else pattern).split("*")
    return re.fullmatch(".*".join(map(re.escape, parts)), text, re.DOTALL) is not None


@dataclass(frozen=True)
class Stack:
    """A template with values.

    Attributes:
        values: Of `Ref`: parameters, and physical names of resources.
        arns: Of `Fn::GetAtt` of an `Arn`.
    """

    template: Mapping[str, Any]
    values: Mapping[str, Any]
    arns: Mapping[str, str] = field(default_factory=dict)

    def policy(self, name: str) -> tuple[Statement, ...]:
        """What a managed policy allows, or the inline ones of a role.

        Raises:
            ValueError: A statement has a form that this does not judge.
        """
        properties = self.template["Resources"][name]["Properties"]
        documents = [one["PolicyDocument"] for one in properties.get("Policies", ())]
        documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
        return tuple(
            self._statement(name, one) for document in documents for one in self._statements(document)
        )

    def _statements(self, document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        for one in document["Statement"]:
            resolved = self.resolve(one)
            if resolved is not _NOTHING:
                yield resolved

    def _statement(self, name: str, body: Mapping[str, Any]) -> Statement:
        if set(body) != {"Sid", "Effect", "Action", "Resource"} or body["Effect"] != "Allow":
            raise ValueError(f"{name}: cannot judge {body}")
        return Statement((name, body["Sid"]), _several(body["Action"]), _several(body["Resource"]))

    def resolve(self, body: Any) -> Any:
        """The value of an expression."""
        if isinstance(body, list):
            return [found for one in body if (found := self.resolve(one)) is not _NOTHING]
        if not isinstance(body, dict):
            return body
        if len(body) == 1 and (function := self._functions.get(next(iter(body)))):
            return function(next(iter(body.values())))
        return {key: found for key, one in body.items() if (found := self.resolve(one)) is not _NOTHING}

    @property
    def _functions(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "Ref": self._ref,
            "Fn::GetAtt": lambda value: self.arns[value[0]] if value[1] == "Arn" else _NOTHING,
            "Fn::Sub": lambda value: self._sub(*value) if isinstance(value, list) else self._sub(value, {}),
            # By the name of an export, as other values.
            "Fn::ImportValue": lambda value: self.values[self.resolve(value)],
            "Fn::Join": lambda value: value[0].join(self.resolve(value[1])),
            "Fn::If": lambda value: self.resolve(value[1] if self._holds(value[0]) else value[2]),
        }

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in _PSEUDO or name in self.values:
            return _PSEUDO.get(name) or self.values[name]
        parameter = self.template["Parameters"][name]
        default = parameter["Default"]
        return default.split(",") if parameter["Type"] == "CommaDelimitedList" else default

    def _sub(self, text: str, variables: Mapping[str, Any]) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name in variables:
                return str(self.resolve(variables[name]))
            return self.arns[name.removesuffix(".Arn")] if name.endswith(".Arn") else str(self._ref(name))

        return _VARIABLE.sub(value, text)

    def _holds(self, condition: str) -> bool:
        return self._judge(self.template["Conditions"][condition])

    def _judge(self, body: Mapping[str, Any]) -> bool:
        ((kind, value),) = body.items()
        if kind == "Condition":
            return self._holds(value)
        if kind == "Fn::Equals":
            return bool(self.resolve(value[0]) == self.resolve(value[1]))
        found = [self._judge(one) for one in value]
        return {"Fn::Not": not found[0], "Fn::And": all(found), "Fn::Or": any(found)}[kind]


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
