"""One option for the whole suite: ``--nightly`` runs the long profiles."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", default=False,
                     help="run the tests marked nightly, and many more generated cases")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--nightly"):
        return
    skip = pytest.mark.skip(reason="long run: choose it with --nightly")
    for item in items:
        if "nightly" in item.keywords:
            item.add_marker(skip)
