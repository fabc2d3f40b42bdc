// Any text as JSON: is_json() takes nothing that another parser does not, and leaves out only what it says;
// members are found as that parser finds them, and a text written is read back.
#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "base/check.h"
#include "base/json.h"
#include "base/json_text.h"
#include "base/utf8.h"

namespace banyan {
namespace {

// Levels of arrays and objects, in a text that is JSON.
size_t depth_of(std::string_view text) {
  size_t depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      in_string = !in_string;
    else if (!in_string && (text[i] == '[' || text[i] == '{'))
      deepest = std::max(deepest, ++depth);
    else if (!in_string && (text[i] == ']' || text[i] == '}'))
      --depth;
  }
  return deepest;
}

void check_members(std::string_view text, const nlohmann::json& other) {
  std::array<JsonMember, 3> wanted = {JsonMember{"data"}, {"key"}, {""}};
  CHECK(find_json_members(text, wanted) == other.is_object());
  if (!other.is_object()) return;
  for (const JsonMember& member : wanted) {
    const auto found = other.find(std::string(member.name));
    CHECK((found != other.end()) == !member.value.empty());
    if (member.value.empty()) continue;
    CHECK(is_json(member.value) && member.value.data() >= text.data() &&
          member.value.data() + member.value.size() <= text.data() + text.size());
    const auto value = nlohmann::json::parse(member.value, nullptr, false);
    CHECK(value == *found);
    if (value.is_string()) CHECK(json_text(member.value) == value.get<std::string>());
  }
}

void check(std::string_view text) {
  const bool good = is_json(text);
  const bool marked = text.starts_with("\xef\xbb\xbf");
  if (marked) CHECK(!good);
  const auto other = nlohmann::json::parse(text, nullptr, false);
  if (other.is_discarded() || marked) {
    // Numbers that no double can hold are JSON all the same.
    CHECK(!good || !other.is_discarded() || text.find_first_of("eE0123456789") != text.npos);
  } else {
    CHECK(good || depth_of(text) > kDeepestJson || text.find('\0') != text.npos);
    if (good) check_members(text, other);
  }
  if (is_utf8(text)) {
    std::string written;
    append_json_string(written, text);
    CHECK(is_json(written) && json_text(written) == text);
  }
}

}  // namespace
}  // namespace banyan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  banyan::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
