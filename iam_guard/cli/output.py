"""What commands print: results on standard output, everything else on standard error.

Colours and tables are Rich's, which leaves colours out when the output is no terminal or NO_COLOR is set.
Rich is imported when something is drawn: commands that print plain lines start without it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from iam_guard.errors import Fault

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# Controls other than a line break, marks that reverse the direction of writing, halves of surrogate pairs.
_UNSAFE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
#: Width of a table where the output is no terminal and COLUMNS is not set.
_PLAIN_WIDTH = 120

_STYLES = {
    "allowed": "green", "explicitDeny": "red", "implicitDeny": "yellow",
    "guarded": "green", "public": "cyan", "unguarded": "bold red",
}


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


def visible(text: str) -> str:
    """Spell out what would move the cursor, change colours or reverse the text: it may come from a stranger."""
    return _UNSAFE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


# JSON: in ASCII, so that any terminal and any locale takes it


def print_json(value: Any) -> None:
    """Print one JSON value over several lines."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """Print one JSON value on a line of its own."""
    sys.stdout.write(json.dumps(value) + "\n")


# For people


def console(*, stderr: bool = False) -> Console:
    """A Rich console on what standard output (or error) is at the moment."""
    from rich.console import Console  # only when something is drawn

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else _PLAIN_WIDTH
    return Console(stderr=stderr, highlight=False, markup=False, width=width)


def styled(text: str, style: str = "") -> Text:
    """Text as it is, in the colour of its meaning when *style* names none."""
    from rich.text import Text

    return Text(visible(text), style or _STYLES.get(text, ""))


def print_text(text: str) -> None:
    """Print lines; a first word that is a verdict gets its colour."""
    out = console()
    for line in text.split("\n"):
        shown = styled(line)
        word = line.partition(":")[0]
        if word in _STYLES:
            shown.stylize(f"bold {_STYLES[word]}", 0, len(word))
        out.print(shown, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, title: str = "") -> None:
    """Print a table; the last column takes what room there is, the others are broken only where nothing else helps."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
    for place, column in enumerate(columns):
        table.add_column(column, no_wrap=place < len(columns) - 1, overflow="fold")
    for row in rows:
        table.add_row(*(styled(cell) if isinstance(cell, str) else cell for cell in row))
    out = console()
    if table.__rich_measure__(out, out.options).minimum > out.width:
        for found in table.columns:
            found.no_wrap = False  # Rich would leave columns out
    out.print(table)


def count_of(count: int, one: str, several: str) -> str:
    """Say how many there are."""
    return f"{count} {one if count == 1 else several}"


# On standard error


def say(message: str) -> None:
    """Tell what went wrong."""
    line = styled("error: ", "bold red").append(visible(message), "not bold default")
    console(stderr=True).print(line, soft_wrap=True)


def say_faults(faults: Iterable[Fault]) -> None:
    """Tell everything that is wrong with a text, one fault a line, its place first."""
    for fault in faults:
        if fault.file:
            note(str(fault).replace("\n", " "))
        else:
            say(str(fault))


def note(message: str) -> None:
    """Say something beside the result."""
    console(stderr=True).print(styled(message), soft_wrap=True)
