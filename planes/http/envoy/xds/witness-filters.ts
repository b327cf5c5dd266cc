import type { JsonObject } from '../../../../engine/index.ts'
import { NAMESPACE } from '../ext-proc/witness.ts'
import { any } from './wire-types.ts'

const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC'

/** After the processor on a request: nothing goes up that it did not say `allow` to. */
export function rbacFilter(): JsonObject {
  return { name: RBAC_FILTER, typed_config: any(RBAC, { rules: witnessed([said('req', 'allow')]) }) }
}

/** Within one API's routes: nor what it said so of another. Host headers choose the routes, and Envoy reads them by itself. */
export function rbacOf(api: string): JsonObject {
  const rules = witnessed([said('req', 'allow'), said('api', api)])
  return {
    [RBAC_FILTER]: any('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', { rbac: { rules } }),
  }
}

const RBAC_FILTER = 'envoy.filters.http.rbac'

function witnessed(ids: JsonObject[]): JsonObject {
  return { policies: { witnessed: { permissions: [{ any: true }], principals: [{ and_ids: { ids } }] } } }
}

function said(key: string, value: string): JsonObject {
  return { metadata: { filter: NAMESPACE, path: [{ key }], value: { string_match: { exact: value } } } }
}

/** After the processor on an answer, since answers run the filters backwards. */
export function luaFilter(): JsonObject {
  return {
    name: 'envoy.filters.http.lua',
    typed_config: any('envoy.extensions.filters.http.lua.v3.Lua', {
      default_source_code: { inline_string: WITNESS_SCRIPT },
    }),
  }
}

/**
 * An answer that the processor did not finish with becomes a 502 of ours, whoever made it. Of a streamed one, bytes beyond
 * those that the processor counted become zeros: the length stays, so that nothing after them is taken for part of them,
 * and no byte of theirs passes. An error in a script lets things through, so every step is taken within pcall, and what
 * follows an error is the closed door. Headers are fetched again after each wait, as Envoy demands.
 */
const WITNESS_SCRIPT = `
local REFUSED = '{"type":"about:blank","title":"Bad Gateway","status":502,"detail":"the answer was not released"}'

local function witness(handle)
  return handle:streamInfo():dynamicMetadata():get("${NAMESPACE}") or {}
end

local function close_head(handle)
  local headers = handle:headers()
  local names = {}
  for name, _ in pairs(headers) do names[#names + 1] = name end
  for _, name in ipairs(names) do
    if string.sub(name, 1, 1) ~= ":" then headers:remove(name) end
  end
  headers:replace(":status", "502")
  headers:replace("content-type", "application/problem+json")
  headers:replace("cache-control", "no-store")
end

local function blank(chunk)
  chunk:setBytes(string.rep("\\0", chunk:length()))
end

local function count(handle)
  local seen = 0
  for chunk in handle:bodyChunks() do
    local counted, err = pcall(function()
      seen = seen + chunk:length()
      local released = witness(handle).released
      if type(released) ~= "number" or seen > released then blank(chunk) end
    end)
    if not counted then blank(chunk) end
  end
end

local function judge(handle)
  if witness(handle).resp == "open" then return "open" end
  local body = handle:body(true)
  if witness(handle).resp == "done" then return "done" end
  close_head(handle)
  handle:body(true):setBytes(REFUSED)
  handle:headers():replace("content-length", tostring(string.len(REFUSED)))
  return "closed"
end

function envoy_on_response(handle)
  local ran, outcome = pcall(judge, handle)
  if ran and outcome ~= "open" then return end
  if ran then
    local counted = pcall(count, handle)
    if counted then return end
  else
    pcall(close_head, handle)
  end
  pcall(function() for chunk in handle:bodyChunks() do blank(chunk) end end)
end
`
