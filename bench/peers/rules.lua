local M = {}
function M.route(request)
  if request.headers["x-beta"] == "1" then return { side = "native", reason = "beta" } end
end
return M
