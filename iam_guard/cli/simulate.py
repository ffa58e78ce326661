"""``iam-guard simulate``: answer a file of cases."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from iam_guard.cli.cases import STANDARD_INPUT, CaseLine, check_form, opened, read_cases
from iam_guard.cli.failures import WRONG
from iam_guard.cli.output import Format, count_of, note, print_json_line, print_table, styled
from iam_guard.cli.progress import watched
from iam_guard.errors import DocumentError, IAMGuardError
from iam_guard.simulation import evaluate_case

EXAMPLES = (
    "iam-guard simulate --cases cases.jsonl",
    "iam-guard simulate --cases cases.jsonl --check",
    "cat cases.jsonl | iam-guard simulate --cases - --format table",
)

Answer = dict[str, Any]


def simulate(
    cases: Annotated[Path, typer.Option(metavar="FILE",
                                        help="One JSON object a line: principal, request and policies. "
                                             "'-' is standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Print only the cases that are answered otherwise than "
                                                        "their own 'verdict' or 'expect' says.")] = False,
    format: Annotated[Format, typer.Option(help="json is one object a line.")] = Format.JSON,
) -> None:
    """Answer every case of a file, in its order.

    A case brings its policies along, and nothing is added to its context.
    Each gives one object with id, verdict and reason; one that cannot be
    read gives id and error, and the rest are still answered.

    Exit code 1: a case could not be read or, with --check, was answered
    otherwise than it says.
    """
    counted: Counter[str] = Counter()
    with opened(cases) as stream:
        size = 0 if cases == STANDARD_INPUT else cases.stat().st_size
        lines = watched(read_cases(stream), size, lambda line: line.end)
        answers = _answers(lines, counted, check=check)
        if format is Format.JSON:
            _print_lines(answers, at_once=cases == STANDARD_INPUT)
        else:
            _print_table(answers)
    if check:
        note(f"{count_of(counted['cases'], 'case', 'cases')}: {counted['different']} answered otherwise, "
             f"{counted['error']} not readable")
    if counted["different"] or counted["error"]:
        raise typer.Exit(WRONG)


def _answers(lines: Iterable[CaseLine], counted: Counter[str], *, check: bool) -> Iterator[Answer]:
    for line in lines:
        answer = _answer(line)
        if check and "verdict" in answer:
            answer = _compared(answer, line.expected)
        counted["cases"] += 1
        counted["error"] += "error" in answer
        counted["different"] += "expected" in answer
        if not check or "error" in answer or "expected" in answer:
            yield answer


def _answer(line: CaseLine) -> Answer:
    if line.case is None:
        return {"id": line.id, "error": line.error}
    try:
        check_form(line.case)
        decision = evaluate_case(line.case)
    except DocumentError as problem:
        return {"id": line.id, "error": "; ".join(map(str, problem.faults))}
    except IAMGuardError as problem:
        return {"id": line.id, "error": str(problem)}
    except Exception as problem:  # one case must not keep the others from being answered
        return {"id": line.id, "error": f"unexpected {type(problem).__name__}: {problem}"}
    return {"id": line.id, "verdict": str(decision.verdict), "reason": decision.reason}


def _compared(answer: Answer, expected: str) -> Answer:
    if not expected:
        return {"id": answer["id"], "error": "the case names no verdict to compare with"}
    return answer if answer["verdict"] == expected else {**answer, "expected": expected}


def _print_lines(answers: Iterable[Answer], *, at_once: bool) -> None:
    for answer in answers:
        print_json_line(answer)
        if at_once:
            sys.stdout.flush()


def _print_table(answers: Iterable[Answer]) -> None:
    rows = [(styled(str(answer["id"])), styled(answer.get("verdict", "error"), "" if "verdict" in answer else "red"),
             styled(_why(answer))) for answer in answers]
    if rows:
        print_table(("case", "verdict", "reason"), rows)


def _why(answer: Answer) -> str:
    if "error" in answer:
        return str(answer["error"])
    return f"{answer['reason']}; expected {answer['expected']}" if "expected" in answer else str(answer["reason"])
