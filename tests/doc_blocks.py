"""Fenced blocks of Markdown pages: what they hold and what is to be done with them.

Every block says what it is, or the tests fail:

    python            executed, all of a page in one namespace; a first line ``# NAME.py`` also writes the file
    output            what the block before printed
    console           commands after ``$``, each followed by what it prints; ``...`` stands for anything
    yaml, json        a file, when its first line is ``# PATH`` or its info string holds one; otherwise the info
                      string says what it is: ``policy``, ``trust``, ``resource``, ``scp``, ``settings``, ``routes``,
                      ``openapi``, ``case`` or ``value``
    text              not run; for drawings and for commands that need a network
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "integrations").rglob("*.md")))

KINDS = frozenset({"policy", "trust", "resource", "scp", "settings", "routes", "openapi", "case", "value"})
_FENCE = re.compile(r"(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"<!-- (\w+) -->\n\Z")
_PATH = re.compile(r"[A-Za-z0-9_.%-]+(?:/[A-Za-z0-9_.%@-]+)*\.(?:yaml|json|jsonl|py)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: Its page.
        line: Where it begins.
        language: The first word of its info string.
        words: The other words.
        text: What it holds.
        mark: ``run`` or ``test`` for the two commands that machines look for.
    """

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str
    mark: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str:
        """The file that this block is, or nothing."""
        first = self.text.partition("\n")[0].removeprefix("# ").strip()
        named = [word for word in (*self.words, first) if _PATH.fullmatch(word)]
        return named[0] if named and self.language in ("yaml", "json", "jsonl", "python") else ""

    @property
    def kind(self) -> str:
        """What an unnamed document is."""
        return next((word for word in self.words if word in KINDS), "")


def blocks_of(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        mark = _MARK.search(text, 0, found.start())
        language, *words = found["info"].split() or [""]
        body = re.sub(rf"^{found['indent']}", "", found["body"], flags=re.MULTILINE)
        yield Block(page, text.count("\n", 0, found.start()) + 1, language, tuple(words), body,
                    mark[1] if mark else "")


def sections_of(page: Path) -> dict[str, str]:
    """The texts below the headings of a page, by heading; code does not count as headings."""
    found: dict[str, str] = {}
    heading, inside = "", False
    for line in page.read_text("utf-8").splitlines():
        inside ^= line.lstrip().startswith("```")
        if not inside and line.startswith("#"):
            heading = line.lstrip("# ").strip()
            found[heading] = ""
        else:
            found[heading] = found.get(heading, "") + line + "\n"
    return found
