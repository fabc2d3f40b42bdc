// JSON (RFC 8259) looked at in place: checked as a whole in one pass, without memory of its own, and the
// members of an object given out as they stand in the text, so that what is passed on stays what was sent:
// the order of members, members that are there twice, numbers of any length. For writing see
// base/json_text.h.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace banyan {

// How deep arrays and objects may be nested. Those who get the text may well read it by recursion.
inline constexpr size_t kDeepestJson = 512;

// True for one JSON value, in UTF-8, with nothing but white space around it. Not more than JSON: no byte
// order mark, nothing behind a NUL. And somewhat less: no escapes of half a surrogate pair, no more than
// kDeepestJson levels.
bool is_json(std::string_view text);

struct JsonMember {
  std::string_view name;     // looked for
  std::string_view value{};  // as it stands in the text, without white space around it; empty: not found
  bool twice = false;        // there is more than one; `value` is the last one's
};

// Looks for members of the object that `text` is and fills in what it finds. False: not is_json(), or not an
// object. Time is proportional to the text's length, and to the number of names per member.
bool find_json_members(std::string_view text, std::span<JsonMember> wanted);

// What a string stands for, in UTF-8. REQUIRES: a value of find_json_members() that begins with '"'.
std::string json_text(std::string_view value);

}  // namespace banyan
