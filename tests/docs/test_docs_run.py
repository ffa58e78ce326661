"""Every block of every page runs, and no page has a block that nothing is done with."""

from __future__ import annotations

from pathlib import Path

import pytest
from doc_blocks import PAGES, ROOT, blocks_of
from doc_page import run_page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, list(blocks_of(page)), tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_fence_is_left_over(page: Path) -> None:
    fences = sum(line.lstrip().startswith("```") for line in page.read_text("utf-8").splitlines())
    assert fences == 2 * len(list(blocks_of(page)))
