#include "http/ws_handshake.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/check.h"
#include "http/chars.h"

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

// Reads Sec-WebSocket-Extensions (section 9.1), in whose lists and around whose separators blanks may stand.
class ExtensionList {
 public:
  explicit ExtensionList(std::string_view text) : rest_(text) {}

  // 1#extension, where recipients take empty elements (RFC 9110 section 5.6.1).
  bool is_valid() {
    bool found = false;
    while (true) {
      if (at_end()) return found;
      if (take(',')) continue;
      if (!take_extension() || !(at_end() || take(','))) return false;
      found = true;
    }
  }

 private:
  bool take_extension() {
    if (!take_token()) return false;
    while (take(';')) {
      if (!take_token()) return false;
      if (take('=') && !(take('"') ? take_quoted_token() : take_token())) return false;
    }
    return true;
  }

  bool at_end() {
    while (!rest_.empty() && chars::is_blank(rest_.front())) rest_.remove_prefix(1);
    return rest_.empty();
  }
  bool take(char wanted) {
    if (at_end() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_token() {
    if (at_end()) return false;
    const char* begin = rest_.data();
    const char* end = chars::find_not(chars::kToken, begin, begin + rest_.size());
    rest_.remove_prefix(static_cast<size_t>(end - begin));
    return end != begin;
  }
  // Behind its first quote; what it says must be a token, too.
  bool take_quoted_token() {
    std::string said;
    while (!rest_.empty()) {
      char c = take_char();
      if (c == '"') return chars::is_token(said);
      if (c == '\\' && !rest_.empty()) c = take_char();
      said += c;
    }
    return false;
  }
  char take_char() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  std::string_view rest_;
};

// 1#token, each only once (section 4.1).
bool is_protocol_list(std::string_view text) {
  std::vector<std::string_view> protocols;
  bool tokens = true;
  each_list_element(text, [&](std::string_view protocol) {
    tokens = tokens && chars::is_token(protocol);
    protocols.push_back(protocol);
  });
  std::ranges::sort(protocols);
  return tokens && !protocols.empty() && std::ranges::adjacent_find(protocols) == protocols.end();
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
  return equal_ignoring_case(request.upgrade, "websocket");
}

Result<std::string> accept_websocket(const RequestHead& request) {
  if (request.method != Method::get) return client_error(400, "a WebSocket is opened with GET");
  if (request.minor_version == 0) return client_error(400, "a WebSocket needs HTTP/1.1");
  const std::string_view version = only_value(request.fields, "Sec-WebSocket-Version");
  if (version != "13") {
    return client_error(version.empty() ? 400 : 426,
                        version.empty() ? "Sec-WebSocket-Version must be there, and only once"
                                        : "only WebSocket version 13 is spoken");
  }
  const std::string_view key = only_value(request.fields, "Sec-WebSocket-Key");
  if (!is_key(key)) return client_error(400, "Sec-WebSocket-Key is not 16 bytes in base64");
  constexpr std::string_view kProtocols = "Sec-WebSocket-Protocol", kExtensions = "Sec-WebSocket-Extensions";
  if (request.fields.find(kProtocols) && !is_protocol_list(joined_values(request.fields, kProtocols)))
    return client_error(400, "Sec-WebSocket-Protocol is not a list of different tokens");
  if (request.fields.find(kExtensions) &&
      !ExtensionList(joined_values(request.fields, kExtensions)).is_valid()) {
    return client_error(400, "Sec-WebSocket-Extensions is malformed");
  }
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
