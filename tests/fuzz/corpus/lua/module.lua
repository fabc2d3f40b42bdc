local M = {}
function M.route(req)
  if req.headers["x-user"] == "4711" then return { side = "native", reason = "beta" } end
  if req.path:find("^/admin") then return { target = "upstream.node" } end
end
M.tests = { { request = { path = "/" }, expect = { side = "native" } } }
return M
