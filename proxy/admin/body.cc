#include "admin/body.h"

#include <fmt/format.h>

namespace banyan::admin {
namespace {

constexpr int kDeepest = 8;

}  // namespace

Result<Json> parse_body(const Request& request) {
  if (request.body.empty()) return Json::object();
  bool too_deep = false;
  const auto watch = [&](int depth, Json::parse_event_t, Json&) {
    too_deep |= depth > kDeepest;
    return depth <= kDeepest;
  };
  Json body = Json::parse(request.body, watch, false);
  if (too_deep) return client_error(400, fmt::format("the body is nested deeper than {}", kDeepest));
  if (body.is_discarded()) return client_error(400, "the body is not JSON");
  if (!body.is_object()) return client_error(400, "the body is not an object");
  return body;
}

bool take_text(Json& body, const char* key, std::string& text) {
  auto found = body.find(key);
  if (found == body.end()) return true;
  if (!found->is_string()) return false;
  text = found->get<std::string>();
  body.erase(found);
  return true;
}

std::string full_name(const std::string& name, const Request& request) {
  return name.empty() ? request.door : fmt::format("{} over {}", name, request.door);
}

}  // namespace banyan::admin
