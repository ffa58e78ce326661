"""The page about credentials leaves no setting out, and names the condition keys that there are."""

from __future__ import annotations

import inspect
import re

import pytest
from doc_blocks import ROOT

from iam_guard.config import credential_settings
from iam_guard.http.resource_metadata import ResourceMetadata
from iam_guard.identity.delegation import ACTOR_KEYS

PAGE = (ROOT / "docs" / "reference" / "credentials.md").read_text("utf-8")
#: Members of the document that follow from other settings.
DERIVED = {"bearer_methods_supported", "tls_client_certificate_bound_access_tokens",
           "dpop_signing_alg_values_supported", "dpop_bound_access_tokens_required"}
KINDS = [kind for name, kind in vars(credential_settings).items()
         if name.endswith(("Settings", "Entry")) and kind.__module__ == credential_settings.__name__]


@pytest.mark.parametrize("kind", [*KINDS, ResourceMetadata])
def test_every_setting_is_told(kind: type) -> None:
    names = set(inspect.signature(kind).parameters) - DERIVED
    assert names
    assert {name for name in names if not re.search(rf"\b{name}\b", PAGE)} == set()


def test_every_key_of_an_actor_is_told() -> None:
    assert {key for key in ACTOR_KEYS if f"`jwt:{key}`" not in PAGE} == set()
