// Any bytes as a PROXY header: what it says does not depend on how the bytes arrive.
#include <string>

#include "base/check.h"
#include "net/proxy_protocol.h"

namespace banyan::net {
namespace {

std::string describe(const Result<std::optional<ProxyHeader>>& parsed) {
  if (!parsed) return "error";
  if (!*parsed) return "more";
  const ProxyHeader& header = **parsed;
  const auto text = [](const std::optional<IpAddress>& address) {
    IpAddress::TextBuffer buffer;
    return address ? std::string(address->text(buffer)) : "none";
  };
  return std::to_string(header.size) + " " + text(header.source) + " " + text(header.destination);
}

void check(const std::string& bytes) {
  const auto whole = parse_proxy_header(bytes);
  const std::string said = describe(whole);
  CHECK(!whole || !*whole ||
        ((*whole)->size > 0 && (*whole)->size <= std::min(bytes.size(), kLongestProxyHeader)));
  CHECK(said != "more" || bytes.size() < kLongestProxyHeader);
  for (size_t size = 0; size < bytes.size(); size += size / 64 + 1) {
    const auto part = parse_proxy_header(std::string(bytes, 0, size));
    // A part may leave open what it is; what it says otherwise, the whole says as well.
    if (part && !*part) continue;
    CHECK(describe(part) == said);
  }
}

}  // namespace
}  // namespace banyan::net

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  banyan::net::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
