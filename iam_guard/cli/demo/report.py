"""Shows what became of the calls: a table for people, JSON for programs, and lines to go on with."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from iam_guard.cli.demo.scenario import Call
from iam_guard.cli.output import console, print_table, styled

if TYPE_CHECKING:
    from rich.text import Text

#: Narrower than this, the reason stands on a line of its own below the request.
_WIDE = 118


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one call.

    Attributes:
        call: What was asked.
        status: What came back.
        verdict: What was recorded.
        why: In one line.
        decision_id: Names it in the log and in the denial; empty for public routes.
    """

    call: Call
    status: int
    verdict: str
    why: str
    decision_id: str = ""

    @property
    def is_expected(self) -> bool:
        """Whether it is what has to become of the call."""
        return (self.status, self.verdict) == (self.call.status, self.call.verdict)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        call = asdict(self.call)
        return {"caller": call.pop("caller"), "method": call.pop("method"), "path": call.pop("path"),
                "about": call.pop("about"), "status": self.status, "verdict": self.verdict, "why": self.why,
                "decision_id": self.decision_id, "expected": call, "as_expected": self.is_expected}


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print the table."""
    if console().width >= _WIDE:
        print_table(("caller", "request", "status", "verdict", "why"),
                    [(one.call.caller, _request(one), _status(one), styled(one.verdict), one.why) for one in outcomes])
    else:
        print_table(("caller", "answer", "request, and why"),
                    [(one.call.caller, _status(one).append(" ").append_text(styled(one.verdict)),
                      _request_and_why(one)) for one in outcomes])
    wrong = [one for one in outcomes if not one.is_expected]
    console().print(styled(f"{len(outcomes) - len(wrong)} of {len(outcomes)} as expected"))
    for one in wrong:
        console().print(styled(f"not as expected: {one.call.caller} {_request(one)} has to be "
                               f"{one.call.status} {one.call.verdict} ({one.call.about})", "bold red"))


def _request(one: Outcome) -> str:
    return f"{one.call.method} {one.call.path}"


def _status(one: Outcome) -> Text:
    return styled(str(one.status), "green" if one.status < 400 else "red")


def _request_and_why(one: Outcome) -> Text:
    return styled(_request(one)).append(f"\n{styled(one.why)}", "dim")


def print_invitation(url: str, policies: str, tokens: Mapping[str, str]) -> None:
    """Print lines to paste into a shell."""
    question = ("iam-guard", "explain", "--policies", policies, "--principal", "ben", "--action", "orders:RefundOrder",
                "--resource", "order/77", "--context", "aws:ResourceTag/region=us")
    lines = (f"Serving on {url} until Ctrl-C. Keys and tokens are of this run only, and good for an hour.", "",
             *(f"export {name.upper()}={tokens[name]}" for name in ("ann", "ben")), "",
             *(_curl(url, *call) for call in _INVITED), "",
             "The third is denied. Why?", "", shlex.join(question), "")
    out = console()
    for line in lines:
        out.print(styled(line), soft_wrap=True)


_INVITED = (("ann", "GET", "/orders"), ("ben", "POST", "/orders/42/refund"), ("ben", "POST", "/orders/77/refund"),
            ("ann", "DELETE", "/orders/13"), ("", "GET", "/orders/42"))


def _curl(url: str, caller: str, method: str, path: str) -> str:
    token = f' -H "Authorization: Bearer ${caller.upper()}"' if caller else ""
    return f"curl -i{'' if method == 'GET' else f' -X {method}'}{token} {url}{path}"
