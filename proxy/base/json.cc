#include "base/json.h"

#include <algorithm>
#include <bitset>
#include <cstdint>

#include "base/utf8.h"

namespace banyan {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// -1: none.
int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The four digits of an escape. -1: they are none.
int32_t unit_at(const char* at) {
  int32_t unit = 0;
  for (int i = 0; i < 4; ++i) {
    const int value = hex_value(at[i]);
    if (value < 0) return -1;
    unit = unit << 4 | value;
  }
  return unit;
}

bool is_first_half(int32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_second_half(int32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

// One value from the first byte to the last. What is open is a bit for each level, not a call, so that no
// text can use up the stack.
class Scanner {
 public:
  // REQUIRES: is_utf8(text).
  Scanner(std::string_view text, std::span<JsonMember> wanted)
      : at_(text.data()), end_(at_ + text.size()), wanted_(wanted) {}

  bool scan_all() {
    if (!scan_value()) return false;
    skip_space();
    return at_ == end_;
  }

 private:
  bool scan_value() {
    while (true) {
      skip_space();
      if (depth_ == 1) begin_ = at_;
      if (take('{')) {
        if (!open(true)) return false;
        skip_space();
        if (!take('}')) {
          if (!scan_name()) return false;
          continue;
        }
        --depth_;
      } else if (take('[')) {
        if (!open(false)) return false;
        skip_space();
        if (!take(']')) continue;
        --depth_;
      } else if (!scan_scalar()) {
        return false;
      }
      bool more = false;
      if (!end_value(more)) return false;
      if (!more) return true;
    }
  }

  bool open(bool object) {
    if (depth_ == kDeepestJson) return false;
    in_object_[depth_++] = object;
    return true;
  }

  // Behind a value: ends what ends with it. `more`: another value follows.
  bool end_value(bool& more) {
    while (depth_ > 0) {
      if (depth_ == 1 && member_) note_member();
      skip_space();
      const bool object = in_object_[depth_ - 1];
      if (take(',')) {
        more = true;
        if (!object) return true;
        skip_space();
        return scan_name();
      }
      if (!take(object ? '}' : ']')) return false;
      --depth_;
    }
    return true;
  }

  void note_member() {
    member_->twice |= !member_->value.empty();
    member_->value = {begin_, static_cast<size_t>(at_ - begin_)};
    member_ = nullptr;
  }

  bool scan_name() {
    const char* begin = at_;
    if (at_ == end_ || *at_ != '"' || !scan_string()) return false;
    if (depth_ == 1 && !wanted_.empty()) find_wanted({begin, static_cast<size_t>(at_ - begin)});
    skip_space();
    return take(':');
  }

  void find_wanted(std::string_view quoted) {
    const bool escaped = quoted.find('\\') != quoted.npos;
    const std::string text = escaped ? json_text(quoted) : std::string();
    const std::string_view name = escaped ? text : quoted.substr(1, quoted.size() - 2);
    for (JsonMember& one : wanted_) {
      if (one.name == name) member_ = &one;
    }
  }

  bool scan_scalar() {
    if (at_ == end_) return false;
    switch (*at_) {
      case '"':
        return scan_string();
      case 't':
        return take_word("true");
      case 'f':
        return take_word("false");
      case 'n':
        return take_word("null");
      default:
        return scan_number();
    }
  }

  bool scan_string() {
    for (++at_; at_ != end_; ++at_) {
      if (*at_ == '"') return ++at_, true;
      if (static_cast<uint8_t>(*at_) < 0x20) return false;
      if (*at_ == '\\' && !scan_escape()) return false;
    }
    return false;
  }

  // Stays on the escape's last byte.
  bool scan_escape() {
    if (++at_ == end_) return false;
    if (*at_ != 'u') return std::string_view("\"\\/bfnrt").find(*at_) != std::string_view::npos;
    if (end_ - at_ < 5) return false;
    const int32_t unit = unit_at(at_ + 1);
    at_ += 4;
    if (unit < 0 || is_second_half(unit)) return false;
    if (!is_first_half(unit)) return true;
    if (end_ - at_ < 7 || at_[1] != '\\' || at_[2] != 'u' || !is_second_half(unit_at(at_ + 3))) return false;
    at_ += 6;
    return true;
  }

  bool scan_number() {
    take('-');
    if (!take('0') && !take_digits()) return false;
    if (take('.') && !take_digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      return take_digits();
    }
    return true;
  }

  bool take_digits() {
    const char* begin = at_;
    while (at_ != end_ && is_digit(*at_)) ++at_;
    return at_ != begin;
  }

  bool take_word(std::string_view word) {
    if (!std::string_view(at_, static_cast<size_t>(end_ - at_)).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  bool take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  const char* at_;
  const char* end_;
  std::span<JsonMember> wanted_;
  std::bitset<kDeepestJson> in_object_;  // otherwise in an array
  size_t depth_ = 0;
  const char* begin_ = nullptr;   // of the value of the outermost object's newest member
  JsonMember* member_ = nullptr;  // which is one of those wanted
};

void append_utf8(std::string& text, uint32_t code) {
  const auto tail = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) {
    text.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    text.append({static_cast<char>(0xc0 | code >> 6), tail(0)});
  } else if (code < 0x10000) {
    text.append({static_cast<char>(0xe0 | code >> 12), tail(6), tail(0)});
  } else {
    text.append({static_cast<char>(0xf0 | code >> 18), tail(12), tail(6), tail(0)});
  }
}

// `rest` begins behind the backslash, and afterwards behind the escape.
void append_escaped(std::string& text, std::string_view& rest) {
  constexpr std::string_view kLetters = "bfnrt", kMeant = "\b\f\n\r\t";
  const char letter = rest[0];
  rest.remove_prefix(1);
  if (letter != 'u') {
    const size_t known = kLetters.find(letter);
    text.push_back(known == kLetters.npos ? letter : kMeant[known]);
    return;
  }
  int32_t code = unit_at(rest.data());
  rest.remove_prefix(4);
  if (is_first_half(code)) {
    code = 0x10000 + ((code - 0xd800) << 10) + (unit_at(rest.data() + 2) - 0xdc00);
    rest.remove_prefix(6);
  }
  append_utf8(text, static_cast<uint32_t>(code));
}

}  // namespace

bool is_json(std::string_view text) { return is_utf8(text) && Scanner(text, {}).scan_all(); }

bool find_json_members(std::string_view text, std::span<JsonMember> wanted) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos || text[first] != '{') return false;
  return is_utf8(text) && Scanner(text, wanted).scan_all();
}

std::string json_text(std::string_view value) {
  std::string_view rest = value.substr(1, value.size() - 2);
  std::string text;
  text.reserve(rest.size());
  while (true) {
    const size_t escape = std::min(rest.find('\\'), rest.size());
    text.append(rest.substr(0, escape));
    if (escape == rest.size()) return text;
    rest.remove_prefix(escape + 1);
    append_escaped(text, rest);
  }
}

}  // namespace banyan
