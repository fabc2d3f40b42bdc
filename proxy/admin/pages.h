// The table of the admin API: every page there is. Dispatch, the answers 404 and 405, the index at "/" and
// the manual's list come from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "admin/api.h"
#include "admin/reply.h"
#include "admin/request.h"

namespace banyan::admin {

// The answer comes with Api::on_outcome() of this number; what was done becomes a reply by `reply`.
struct Waiting {
  uint64_t request = 0;
  Reply (*reply)(const Sources& sources, const std::vector<std::string>& lines) = nullptr;
};
using Answer = std::variant<Reply, Waiting>;

struct Page {
  std::string_view method;  // "GET" or "POST"
  std::string_view path;    // "/rollouts/NAME/set": a segment in capitals stands for any
  std::string_view summary;
  Answer (*answer)(const Sources& sources, const Request& request);
};

std::span<const Page> pages();

// The answer of the page that the request names; 404 and 405 problems if there is none.
Answer answer_request(const Sources& sources, const Request& request);

}  // namespace banyan::admin
