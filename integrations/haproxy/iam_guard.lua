-- Asks the guard about a request, for "http-request lua.iam_guard URL".
-- Only an answer of exactly 200 lets the request pass; no answer is a denial as well.

-- What the guard tells the application. It sets each on every request that passes.
local CALLER = { "x-guard-principal", "x-guard-account", "x-guard-decision-id" }

-- Of the client's own connection and body: the call has others.
local NOT_FORWARDED = {
  ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true, ["keep-alive"] = true,
  ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
}

-- Of the guard's connection: HAProxy frames the denial anew.
local NOT_RETURNED = {
  ["connection"] = true, ["content-length"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true,
}

-- How long the guard may take. HAProxy 2.6 tries four times before the request is denied.
local MILLISECONDS = 1000

local function values(field)
  local found = {}
  local place = 0
  while field and field[place] do
    found[#found + 1] = field[place]
    place = place + 1
  end
  return found
end

local function has_token(lines, wanted)
  for _, line in ipairs(lines) do
    for token in line:gmatch("[^,%s]+") do
      if token:lower() == wanted then
        return true
      end
    end
  end
  return false
end

-- Whether the client asks for a WebSocket. The application is offered this upgrade or none, so that it serves what the
-- guard was asked about.
local function settle_upgrade(txn, sent)
  local upgrade = values(sent["upgrade"])
  if #upgrade == 1 and upgrade[1]:lower() == "websocket" and has_token(values(sent["connection"]), "upgrade") then
    return { "websocket" }
  end
  txn.http:req_del_header("upgrade")
  return {}
end

-- The client's headers, and what only HAProxy itself may say about its request.
local function call_headers(txn)
  local sent = txn.http:req_get_headers()
  local headers = {}
  for name, field in pairs(sent) do
    if not NOT_FORWARDED[name] and name:sub(1, 12) ~= "x-forwarded-" then
      headers[name] = values(field)
    end
  end
  headers["x-forwarded-method"] = { txn.f:method() }
  headers["x-forwarded-uri"] = { txn.f:pathq() }
  headers["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
  headers["x-forwarded-host"] = values(sent["host"])
  headers["x-forwarded-for"] = { tostring(txn.f:src()) }
  headers["x-forwarded-upgrade"] = settle_upgrade(txn, sent)
  return headers
end

local function refuse(txn, status, headers, body)
  local reply = txn:reply({ status = status, body = body })
  for name, field in pairs(headers) do
    if not NOT_RETURNED[name] then
      for _, value in ipairs(values(field)) do
        reply:add_header(name, value)
      end
    end
  end
  txn:done(reply)
end

local function let_pass(txn, headers)
  for _, name in ipairs(CALLER) do
    txn.http:req_set_header(name, values(headers[name])[1] or "")
  end
end

local function ask(txn, url)
  local asked, answer = pcall(function()
    return core.httpclient():get({ url = url, headers = call_headers(txn), timeout = MILLISECONDS })
  end)
  local status = asked and answer and answer.status or 0
  if status == 200 then
    let_pass(txn, answer.headers)
  elseif status >= 400 and status < 600 then
    refuse(txn, status, answer.headers, answer.body)
  else
    refuse(txn, 503, {}, "")
  end
end

core.register_action("iam_guard", { "http-req" }, ask, 1)
