// What clients ask of batch_fetch: any text gives a request within its limits, or a complaint.
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "base/check.h"
#include "base/utf8.h"
#include "handlers/batch_fetch/request.h"

namespace banyan::handlers {
namespace {

void check(std::string_view text) {
  const BatchLimits limits{.max_keys = 8, .dot_segments = false};
  const auto request = parse_batch_request(text, limits);
  if (!request.ok()) {
    CHECK(request.error().status == 400 || request.error().status == 413 || request.error().status == 422);
    CHECK(!request.error().message.empty());
    return;
  }
  CHECK(!request->keys.empty() && request->keys.size() <= limits.max_keys);
  CHECK(request->timeout > Millis(0) && request->timeout <= limits.max_timeout);
  for (const std::string& key : request->keys)
    CHECK(!key.empty() && key.size() <= kLongestKey && is_utf8(key));
  CHECK(std::set(request->keys.begin(), request->keys.end()).size() == request->keys.size());
  const auto other = nlohmann::json::parse(text, nullptr, false);
  CHECK(other.is_object());
  std::set<std::string> keys;
  for (const auto& key : other["keys"]) keys.insert(key.get<std::string>());
  CHECK(keys == std::set(request->keys.begin(), request->keys.end()));
}

}  // namespace
}  // namespace banyan::handlers

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size <= 64 * 1024) banyan::handlers::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
