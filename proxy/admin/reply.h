// What a page of the admin API answers, before it becomes HTTP.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banyan::admin {

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;  // further ones: Allow
};

// A problem of RFC 9457: {"title": "Not Found", "status": 404, "detail": "there is no rollout x"}. `reasons`,
// if any, become a list beside it.
Reply problem(int status, std::string_view detail, const std::vector<std::string>& reasons = {});

}  // namespace banyan::admin
