-- Routing rules of the tour: route(request) is called for every request after the static match and may change
-- its outcome. See banyan-lua(7); try a change with `banyan -t`, which also runs M.tests below, and bring it
-- into effect with `banyan -s reload`.

local M = {}

-- Clients that always get the native side, whatever the percentage.
local testers = { ["tester-1"] = true, ["tester-2"] = true }

-- Old clients that rely on the legacy service's order of keys.
local function is_old_client(agent)
  local major = agent and agent:match("^ContentClient/(%d+)%.")
  return major ~= nil and tonumber(major) < 3
end

function M.route(req)
  -- Only the route that is on its way to native; the others are left alone.
  if req.path ~= "/batch" then
    return nil
  end

  if req.headers["x-beta"] == "1" then
    return { side = "native", reason = "beta" }
  end
  if testers[req.cookies.uid] then
    return { side = "native", reason = "tester" }
  end
  if is_old_client(req.headers["user-agent"]) then
    return { side = "legacy", reason = "old client" }
  end
  if req.headers["x-maintenance"] then
    return { status = 503, body = "back soon\n", set_headers = { ["Retry-After"] = "30" }, reason = "maintenance" }
  end

  -- nil: the rollout decides.
end

M.tests = {
  {
    name = "beta clients get the native side",
    request = { method = "POST", path = "/batch", headers = { ["X-Beta"] = "1" } },
    expect = { side = "native", reason = "beta" },
  },
  {
    name = "testers are known by their cookie",
    request = { method = "POST", path = "/batch", cookies = { uid = "tester-2" } },
    expect = { side = "native", reason = "tester" },
  },
  {
    name = "old clients stay on legacy",
    request = { method = "POST", path = "/batch", headers = { ["User-Agent"] = "ContentClient/2.7" } },
    expect = { side = "legacy", reason = "old client" },
  },
  {
    name = "new clients are left to the rollout",
    request = { method = "POST", path = "/batch", headers = { ["User-Agent"] = "ContentClient/3.0" } },
    expect = nil,
  },
  {
    name = "announced maintenance is answered at once",
    request = { method = "POST", path = "/batch", headers = { ["X-Maintenance"] = "1" } },
    expect = { status = 503, set_headers = { ["Retry-After"] = "30" } },
  },
  {
    name = "other routes are left alone",
    request = { path = "/", headers = { ["X-Beta"] = "1" } },
    expect = nil,
  },
}

return M
