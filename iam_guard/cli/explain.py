"""``iam-guard explain``: why is this allowed, or not?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from iam_guard.cli.cases import check_form, opened, read_cases
from iam_guard.cli.output import Format, print_json, print_text
from iam_guard.cli.question import clock_keys, read_context, read_pairs, read_principal, read_resource
from iam_guard.cli.sources import Source, read_source
from iam_guard.engine.decision import Decision
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.model import AuthorizationRequest
from iam_guard.policy.document import Mode
from iam_guard.simulation import evaluate_case

EXAMPLES = (
    "iam-guard explain --policies iam/ --principal ann --action orders:GetOrder --resource order/42",
    "iam-guard explain --policy team.json --principal role/Deployer/ci --action orders:ShipOrder "
    "--context aws:SourceIp=10.0.0.7 --context 'aws:TagKeys[]=team'",
    "iam-guard explain --cases cases.jsonl --id cond-null-true --format json",
)


def explain(
    policies: Annotated[Path | None, typer.Option(exists=True, file_okay=False, metavar="FOLDER",
                                                  help="A policy folder.")] = None,
    policy: Annotated[list[Path] | None, typer.Option(exists=True, dir_okay=False, metavar="FILE",
                                                      help="A policy that holds for everybody; several may be given.",
                                                      )] = None,
    principal: Annotated[str, typer.Option(metavar="WHO", help="An ARN, NAME, role/NAME, role/NAME/SESSION, "
                                                               "service/HOST, root or anonymous.")] = "",
    action: Annotated[str, typer.Option(metavar="SERVICE:NAME", help="What is to be done.")] = "",
    resource: Annotated[str, typer.Option(help="An ARN, a name such as 'order/42', or '*'.")] = "*",
    context: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A condition key; given twice, or "
                                                      "written KEY[]=VALUE, it holds a set of values.")] = None,
    group: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A group that a token vouches for.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A tag of the principal.")] = None,
    mode: Annotated[Mode, typer.Option(help="How strictly --policy files are read.")] = Mode.STRICT,
    cases: Annotated[Path | None, typer.Option(metavar="FILE",
                                               help="Take the question from a file of cases instead.")] = None,
    id: Annotated[str, typer.Option("--id", help="Which case of that file.")] = "",
    format: Annotated[Format, typer.Option(help="How to print the story.")] = Format.TABLE,
) -> None:
    """Ask one question and tell the whole story of the answer.

    Printed are the verdict, the statements that applied and, where nothing
    allowed it, those that came closest: what they wanted, what there was.
    aws:CurrentTime is now, unless --context gives it.

    Exit code 0 whatever the verdict: being denied is an answer.
    """
    if cases is not None:
        decision = _of_case(cases, id)
    elif not principal or not action:
        raise typer.BadParameter("give --principal and --action, or --cases and --id")
    else:
        source = read_source(policies, policy or [], mode)
        decision = _ask(source, principal, action, resource, context or [], group or [], tag or [])
    explanation = decision.explain()
    if format is Format.JSON:
        print_json(explanation.to_json())
    else:
        print_text(str(explanation))


def _of_case(cases: Path, id: str) -> Decision:
    if not id:
        raise typer.BadParameter("--cases needs --id: which case is it?")
    with opened(cases) as stream:
        for line in read_cases(stream):
            if str(line.id) == id and line.case is not None:
                check_form(line.case)
                return evaluate_case(line.case)
    raise ConfigurationError(Fault(f"there is no case '{id}'", file=str(cases)))


def _ask(source: Source, principal: str, action: str, resource: str, context: list[str], groups: list[str],
         tags: list[str]) -> Decision:
    home = source.home
    who = read_principal(principal, home, source.policies.attachments, groups, read_pairs(tags, "tag"))
    given = read_context(context)
    known = {**source.policies.principal_context(who), **given, **clock_keys(given, datetime.now(UTC))}
    return source.policies.evaluate(AuthorizationRequest(who, action, read_resource(resource, action, home), known))
