"""What most tests of the gateway need: an application, and a gateway in front of it, for a whole file.

A file says in ``GATEWAY`` what its section ``gateway`` holds besides the upstream, and in ``SETTINGS`` what other
sections do.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_origin import Origin, origin
from gateway_world import Gateway, running, section


@pytest.fixture(scope="module")
def behind() -> Iterator[Origin]:
    with origin() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(request: pytest.FixtureRequest, behind: Origin,
            tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    own, more = getattr(request.module, "GATEWAY", {}), getattr(request.module, "SETTINGS", {})
    with running(tmp_path_factory.mktemp("gateway"), section(behind.url, **own), **more) as started:
        yield started
