"""``iam-guard check``: is everything written right?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from iam_guard.cli.failures import WRONG
from iam_guard.cli.inspection import Inspection, Kind
from iam_guard.cli.output import Format, count_of, note, print_json, print_text
from iam_guard.errors import Fault
from iam_guard.policy.document import Mode

EXAMPLES = (
    "iam-guard check iam/ routes.yaml iam-guard.yaml",
    "iam-guard check --kind trust --mode import role-trust.json",
    "iam-guard check iam/ --format json",
)


def check(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Policies, policy folders, route maps and "
                                                                  "settings files.")],
    kind: Annotated[Kind, typer.Option(help="What the files are. auto: told by their contents; a policy is taken "
                                            "for an identity policy.")] = Kind.AUTO,
    mode: Annotated[Mode, typer.Option(help="strict is for new policies; import takes what AWS would "
                                            "run and would not accept anew.")] = Mode.STRICT,
    format: Annotated[Format, typer.Option(help="How to print what was found.")] = Format.TABLE,
) -> None:
    """Check policies, policy folders, route maps and settings.

    Everything that is wrong is told at once, each fault on a line of its own
    with file, line, column, the place in the document and how to mend it.
    Notes tell of what is legal and probably not meant.

    Exit code 1: something is wrong.
    """
    inspection = Inspection(kind, mode)
    for path in paths:
        inspection.look_at(path)
    if format is Format.JSON:
        print_json(_as_json(inspection))
    else:
        _print(inspection)
    if inspection.faults:
        raise typer.Exit(WRONG)


def _print(inspection: Inspection) -> None:
    for fault in inspection.notes:
        print_text(f"note: {fault}".replace("\n", " "))
    for fault in inspection.faults:
        print_text(str(fault).replace("\n", " "))
    files, faults = len(inspection.looked_at), len(inspection.faults)
    if inspection.kind is Kind.AUTO and any(fault.code == "UNSUPPORTED_PRINCIPAL" for fault in inspection.faults):
        note("a policy with principals is one of a resource or a role: say so with --kind resource or --kind trust")
    note(f"{count_of(files, 'file or folder', 'files and folders')} checked: "
         f"{count_of(faults, 'fault', 'faults') if faults else 'nothing is wrong'}")


def _as_json(inspection: Inspection) -> dict[str, Any]:
    return {"checked": inspection.looked_at, "faults": [_fault(fault) for fault in inspection.faults],
            "notes": [_fault(fault) for fault in inspection.notes]}


def _fault(fault: Fault) -> dict[str, Any]:
    return {"file": fault.file, "line": fault.line, "column": fault.column, "pointer": fault.pointer,
            "message": fault.message, "mend": fault.mend, "code": fault.code}
