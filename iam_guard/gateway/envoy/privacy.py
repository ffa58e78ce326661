"""Answers that were made for one caller stay out of caches that serve several (threat G09), in Envoy."""

from __future__ import annotations

import json
from collections.abc import Iterable

from iam_guard.gateway.envoy.shapes import Shape, typed

#: A decision was made about the request when the guard says which. What the application says itself stands when it is
#: as strict.
_PROGRAM = """\
function envoy_on_request(handle)
  if handle:headers():get(%(decision)s) ~= nil then
    handle:streamInfo():dynamicMetadata():set("iam-guard", "decided", true)
  end
end

function envoy_on_response(handle)
  local ours = handle:streamInfo():dynamicMetadata():get("iam-guard")
  if ours == nil or not ours["decided"] then return end
  local headers, controls, varies = handle:headers(), "", ""
  for name, value in pairs(headers) do
    if name == "cache-control" then controls = controls .. "," .. string.lower(value) end
    if name == "vary" then varies = varies .. "," .. string.lower(value) end
  end
  if not string.find(controls, "no-store", 1, true) and not string.find(controls, "private", 1, true) then
    headers:replace("cache-control", "private, no-store")
  end
  if not string.find(varies, %(lower)s, 1, true) then headers:add("vary", %(vary)s) end
end
"""


def privacy_filter(decision: str, vary: Iterable[str]) -> Shape:
    """The filter; it stands behind the guard.

    Args:
        decision: The header in which the guard names its decision.
        vary: Request headers that identify the caller.
    """
    together = ", ".join(vary)
    names = {"decision": decision.lower(), "vary": together, "lower": together.lower()}
    program = _PROGRAM % {name: json.dumps(value) for name, value in names.items()}
    return {"name": "envoy.filters.http.lua", "typed_config": typed(
        "envoy.extensions.filters.http.lua.v3.Lua", default_source_code={"inline_string": program})}
