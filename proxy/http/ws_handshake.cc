#include "http/ws_handshake.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace banyan::http {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr size_t kKeySize = 24;  // 16 bytes in base64

bool is_base64_digit(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

bool is_key(std::string_view key) {
  return key.size() == kKeySize && key.ends_with("==") &&
         std::all_of(key.begin(), key.end() - 2, is_base64_digit);
}

std::string accept_value(std::string_view key) {
  const std::string text = std::string(key) + std::string(kGuid);
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
  std::array<uint8_t, 2 * EVP_MAX_MD_SIZE> base64;
  const int length = EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(base64.data()), static_cast<size_t>(length)};
}

// The only value of a field; empty when there is none, or more than one.
std::string_view only_value(const Fields& fields, std::string_view name) {
  std::string_view value;
  int count = 0;
  for (const Field& field : fields) {
    if (!equal_ignoring_case(field.name, name)) continue;
    value = field.value;
    ++count;
  }
  return count == 1 ? value : std::string_view();
}

}  // namespace

bool asks_for_websocket(const RequestHead& request) {
  bool found = false;
  each_list_element(request.upgrade, [&](std::string_view protocol) {
    found |= equal_ignoring_case(protocol.substr(0, protocol.find('/')), "websocket");
  });
  return found;
}

Result<std::string> accept_websocket(const RequestHead& request) {
  if (request.method != Method::get) return client_error(400, "a WebSocket is opened with GET");
  if (request.minor_version == 0) return client_error(400, "a WebSocket needs HTTP/1.1");
  const std::string_view version = only_value(request.fields, "Sec-WebSocket-Version");
  if (version != "13") {
    return client_error(version.empty() ? 400 : 426, version.empty() ? "Sec-WebSocket-Version is missing"
                                                                     : "only WebSocket version 13 is spoken");
  }
  const std::string_view key = only_value(request.fields, "Sec-WebSocket-Key");
  if (!is_key(key)) return client_error(400, "Sec-WebSocket-Key is not 16 bytes in base64");
  return accept_value(key);
}

std::string joined_values(const Fields& fields, std::string_view name) {
  std::string joined;
  for (const Field& field : fields) {
    if (!equal_ignoring_case(field.name, name)) continue;
    if (!joined.empty()) joined += ", ";
    joined += field.value;
  }
  return joined;
}

bool offers_subprotocol(const RequestHead& request, std::string_view protocol) {
  bool found = false;
  each_list_element(joined_values(request.fields, "Sec-WebSocket-Protocol"),
                    [&](std::string_view offered) { found |= offered == protocol; });
  return found;
}

}  // namespace banyan::http
