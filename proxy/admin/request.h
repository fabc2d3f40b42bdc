// A request to the admin API, taken apart: path segments, query, body. Everything from outside is bounded
// here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace banyan::admin {

struct Request {
  std::string method;                                           // "GET" also for HEAD
  std::vector<std::string> segments;                            // of the path, percent-decoded
  std::vector<std::pair<std::string, std::string>> parameters;  // of the query, decoded, in order
  std::string body;
  std::string door;  // "the unix socket": who can have sent it

  // The first parameter of that name, or null.
  const std::string* find(std::string_view name) const;
};

// "/rollouts/a%20b" → {"rollouts", "a b"}. Errors: 400 for a broken percent-encoding.
Result<std::vector<std::string>> split_path(std::string_view path);
// "limit=10&rollout=x", '+' is a blank. Errors: 400 for a broken percent-encoding.
Result<std::vector<std::pair<std::string, std::string>>> split_query(std::string_view query);

}  // namespace banyan::admin
