"""A gate before an emulator: it passes what a policy of the template allows, and refuses all else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api_actions import needs_of, service_of
from fault_proxy import FaultProxy

if TYPE_CHECKING:
    from api_actions import Need
    from fault_proxy import Call
    from template_document import Statement

_FORBIDDEN_XML = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_FORBIDDEN_JSON = b'{"__type": "AccessDeniedException", "message": "not authorized"}'


@dataclass
class IamGate(FaultProxy):
    """Calls through this gate have only the permissions of the policy.

    Attributes:
        policy: What is allowed.
        used: How often each statement's action was needed, by resource of the template, Sid and action.
        refused: What was not allowed.
    """

    policy: tuple[Statement, ...] = ()
    used: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    refused: list[Need] = field(default_factory=list)

    def pass_on(self, call: Call) -> tuple[int, list[tuple[str, str]], bytes] | None:
        needs = needs_of(call)
        if not self.allow(needs):
            return _forbidden(call)
        answer = super().pass_on(call)
        self.calls.clear()  # their bodies are large
        if answer is not None and answer[0] == 404 and needs and needs[0][0] == "s3:GetObject":
            # S3 tells that an object is missing only those who may list the bucket.
            bucket = needs[0][1].partition("/")[0]
            return answer if self.allow([("s3:ListBucket", bucket)]) else _forbidden(call)
        return answer

    def allow(self, needs: list[Need]) -> bool:
        """Whether the policy allows all that a call needs, and remember."""
        lacking = [need for need in needs if not any(one.allows(*need) for one in self.policy)]
        self.refused += lacking
        # A call about a table needs the catalog too, which several statements name: used is the one for all.
        for one in self.policy:
            if all(one.allows(*need) for need in needs):
                self.used.update((*one.where, action) for action, _ in needs)
        return not lacking


def _forbidden(call: Call) -> tuple[int, list[tuple[str, str]], bytes]:
    if service_of(call) == "s3":
        return 403, [("Content-Type", "application/xml")], b"" if call.method == "HEAD" else _FORBIDDEN_XML
    kind = ("x-amzn-ErrorType", "AccessDeniedException")
    return 403 if service_of(call) == "lambda" else 400, [kind], _FORBIDDEN_JSON
