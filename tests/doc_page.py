"""Runs a page of the documentation, block by block, in a folder of its own."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from doc_blocks import ROOT, Block

from iam_guard.cli.inspection import Inspection, Kind, is_policy_folder
from iam_guard.config.settings import Settings
from iam_guard.http.map_file import mapper_from_text
from iam_guard.http.openapi import mapper_from_openapi
from iam_guard.policy.document import Mode, PolicyKind
from iam_guard.policy.parse import parse_policy
from iam_guard.policy.source import SourceText
from iam_guard.simulation import evaluate_case

_POLICIES = {"policy": PolicyKind.IDENTITY, "trust": PolicyKind.TRUST, "resource": PolicyKind.RESOURCE,
             "scp": PolicyKind.SCP}


class Page:
    """One page while it runs.

    Args:
        folder: Where its files are written and its commands run; the current folder has to be this one.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.module = ModuleType(name)
        self.printed = ""

    def run(self, block: Block) -> None:
        """Do what a block asks for."""
        doing: dict[str, Callable[[Block], None]] = {
            "python": self._python, "output": self._output, "console": self._console,
            "yaml": self._document, "json": self._document, "jsonl": self._document, "text": lambda block: None,
        }
        assert block.mark or block.language in doing, f"{block.place}: nothing says what to do with '{block.language}'"
        if not block.mark:
            doing[block.language](block)

    def finish(self) -> None:
        """Check the files that were written, all together."""
        look = Inspection(Kind.AUTO, Mode.STRICT)
        folders = [path for path in self.folder.iterdir() if path.is_dir() and is_policy_folder(path)]
        files = [path for path in self.folder.glob("*.yaml") if path.stem.startswith(("routes", "iam-guard"))]
        for path in (*folders, *files):
            look.look_at(path)
        assert look.faults == []

    def _python(self, block: Block) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            if block.file:
                self._write(block)
                self.module.__dict__.update(_public_names(importlib.import_module(Path(block.file).stem)))
            else:
                exec(compile("\n" * block.line + block.text, block.page, "exec"), self.module.__dict__)
        self.printed = out.getvalue()

    def _output(self, block: Block) -> None:
        assert_like(self.printed, block.text, block.place)

    def _console(self, block: Block) -> None:
        commands = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
        assert commands[0] == "", f"{block.place}: a console block begins with a command"
        for one in commands[1:]:
            command, _, expected = one.replace("\\\n", "").partition("\n")
            assert_like(self._said(shlex.split(command), block), expected, block.place)

    def _said(self, words: list[str], block: Block) -> str:
        assert words[0] == "iam-guard", f"{block.place}: '{words[0]}' is not run here; call the block 'text'"
        environment = {**os.environ, "COLUMNS": "110", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
        environment.pop("FORCE_COLOR", None)
        done = subprocess.run([sys.executable, "-m", "iam_guard", *words[1:]], cwd=self.folder, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        assert done.returncode in (0, 1), f"{block.place}: {done.stdout}"
        return done.stdout

    def _document(self, block: Block) -> None:
        if block.file:
            self._write(block)
            return
        assert block.kind, f"{block.place}: neither a file nor a kind of document"
        source = SourceText(block.text, file=block.place, is_yaml=block.language == "yaml")
        if block.kind in _POLICIES:
            parse_policy(source, kind=_POLICIES[block.kind])
        elif block.kind == "settings":
            Settings.from_mapping(source.value(), folder=self.folder)
        elif block.kind == "routes":
            mapper_from_text(block.text, file=block.place)
        elif block.kind == "openapi":
            mapper_from_openapi(source.value())
        elif block.kind == "case":
            for line in block.text.splitlines():
                evaluate_case(json.loads(line))
        else:
            self.module.__dict__["value"] = source.value()

    def _write(self, block: Block) -> None:
        path = self.folder / block.file
        assert path.resolve().is_relative_to(self.folder.resolve())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")


def assert_like(said: str, expected: str, place: str) -> None:
    """Compare texts without regard to white space and the lines of tables; ``...`` stands for anything."""
    pieces = [_squeezed(piece) for piece in expected.split("...")]
    pattern = ".*?".join(map(re.escape, pieces))
    assert re.fullmatch(pattern, _squeezed(said), re.DOTALL), f"{place}: said\n{said}\ninstead of\n{expected}"


def _squeezed(text: str) -> str:
    return re.sub(r"[\s─│╭╮╰╯]+", "", text)


def _public_names(module: ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("__")}


def run_page(page: Path, blocks: list[Block], folder: Path) -> None:
    """Run all blocks of a page; modules that it writes are importable, and variables set, until it ends."""
    running = Page(f"docs_{page.stem}", folder)
    before, environment = set(sys.modules), dict(os.environ)
    sys.modules[running.module.__name__] = running.module
    sys.path.insert(0, str(folder))
    try:
        for block in blocks:
            running.run(block)
        running.finish()
    finally:
        os.environ.clear()
        os.environ.update(environment)
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]
        sys.modules.pop(running.module.__name__)
