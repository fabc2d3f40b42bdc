// find match gmatch gsub format rep: the string functions that could run long (Lua 5.4 manual, section 6.4).
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <type_traits>

#include "lua/library.h"
#include "lua/pattern.h"

namespace banyan::lua {
namespace {

// Both live in frames that a limit leaves by longjmp.
static_assert(std::is_trivially_destructible_v<Pattern> && std::is_trivially_destructible_v<Matcher>);

// ---------------------------------------------------------------- searching

void compile(lua_State* state, Pattern& pattern, std::string_view text, Pattern::Anchor anchor) {
  spend(state, 1 + text.size() / 4);
  if (const char* error = pattern.compile(text, anchor)) luaL_error(state, "%s", error);
}

// The offset of the optional argument `index`, counted from 1, from the end if negative.
size_t start_offset(lua_State* state, int index, size_t size) {
  lua_Integer position = luaL_optinteger(state, index, 1);
  if (position > 0) return static_cast<size_t>(position) - 1;
  if (position == 0 || position < -static_cast<lua_Integer>(size)) return 0;
  return size - static_cast<size_t>(-position);
}

void push_capture(lua_State* state, const Matcher& matcher, std::string_view subject, size_t index) {
  const Matcher::Capture& capture = matcher.capture(index);
  if (capture.position) {
    lua_pushinteger(state, static_cast<lua_Integer>(capture.begin) + 1);
  } else {
    lua_pushlstring(state, subject.data() + capture.begin, capture.end - capture.begin);
  }
}

void push_match(lua_State* state, const Matcher& matcher, std::string_view subject) {
  lua_pushlstring(state, subject.data() + matcher.begin(), matcher.end() - matcher.begin());
}

// Pushes all captures, or without any the whole match; returns how many.
int push_captures(lua_State* state, const Pattern& pattern, const Matcher& matcher,
                  std::string_view subject) {
  luaL_checkstack(state, static_cast<int>(Pattern::kMaxCaptures) + 1, "too many captures");
  if (pattern.captures() == 0) {
    push_match(state, matcher, subject);
    return 1;
  }
  for (size_t i = 0; i < pattern.captures(); ++i) push_capture(state, matcher, subject, i);
  return static_cast<int>(pattern.captures());
}

bool matched(lua_State* state, Matcher::Result result) {
  if (result == Matcher::Result::exhausted) Vm::of(state).stop();
  return result == Matcher::Result::matched;
}

int push_nothing(lua_State* state) {
  lua_pushnil(state);
  return 1;
}

int push_place(lua_State* state, size_t begin, size_t end) {
  lua_pushinteger(state, static_cast<lua_Integer>(begin) + 1);
  lua_pushinteger(state, static_cast<lua_Integer>(end));
  return 2;
}

int find_plain(lua_State* state, std::string_view subject, std::string_view wanted, size_t start) {
  spend(state, 1 + (subject.size() - start) / 4);
  const void* found = memmem(subject.data() + start, subject.size() - start, wanted.data(), wanted.size());
  if (!found) return push_nothing(state);
  auto begin = static_cast<size_t>(static_cast<const char*>(found) - subject.data());
  return push_place(state, begin, begin + wanted.size());
}

bool is_plain(std::string_view pattern) {
  return pattern.find_first_of("^$*+?.([%-") == std::string_view::npos;
}

int find_or_match(lua_State* state, bool find) {
  std::string_view subject = check_text(state, 1);
  std::string_view text = check_text(state, 2);
  size_t start = start_offset(state, 3, subject.size());
  if (start > subject.size()) return push_nothing(state);
  if (find && (lua_toboolean(state, 4) || is_plain(text))) return find_plain(state, subject, text, start);
  Pattern pattern;
  compile(state, pattern, text, Pattern::Anchor::allowed);
  Matcher matcher(pattern, subject, Vm::of(state).meter());
  if (!matched(state, matcher.search(start))) return push_nothing(state);
  if (!find) return push_captures(state, pattern, matcher, subject);
  int count = push_place(state, matcher.begin(), matcher.end());
  return pattern.captures() == 0 ? count : count + push_captures(state, pattern, matcher, subject);
}

int string_find(lua_State* state) { return find_or_match(state, true); }
int string_match(lua_State* state) { return find_or_match(state, false); }

// ---------------------------------------------------------------- gmatch
//
// The iterator's upvalues: subject, pattern, where to go on, and the end of the last match (-1 before the
// first), where an empty match does not count again.

int next_match(lua_State* state) {
  size_t size = 0;
  const char* data = lua_tolstring(state, lua_upvalueindex(1), &size);
  std::string_view subject(data, size);
  data = lua_tolstring(state, lua_upvalueindex(2), &size);
  Pattern pattern;
  compile(state, pattern, {data, size}, Pattern::Anchor::literal);
  Matcher matcher(pattern, subject, Vm::of(state).meter());
  auto start = static_cast<size_t>(lua_tointeger(state, lua_upvalueindex(3)));
  lua_Integer last_end = lua_tointeger(state, lua_upvalueindex(4));
  while (start <= subject.size() && matched(state, matcher.search(start))) {
    auto end = static_cast<lua_Integer>(matcher.end());
    if (end == last_end) {
      start = matcher.begin() + 1;
      continue;
    }
    lua_pushinteger(state, end);
    lua_copy(state, -1, lua_upvalueindex(3));
    lua_replace(state, lua_upvalueindex(4));
    return push_captures(state, pattern, matcher, subject);
  }
  return 0;
}

int string_gmatch(lua_State* state) {
  std::string_view subject = check_text(state, 1);
  check_text(state, 2);
  size_t start = start_offset(state, 3, subject.size());
  lua_settop(state, 2);
  lua_pushinteger(state, static_cast<lua_Integer>(std::min(start, subject.size() + 1)));
  lua_pushinteger(state, -1);
  lua_pushcclosure(state, next_match, 4);
  return 1;
}

// ---------------------------------------------------------------- gsub

// "%1" and its like in a replacement text.
void add_reference(lua_State* state, luaL_Buffer& buffer, const Pattern& pattern, const Matcher& matcher,
                   std::string_view subject, char digit) {
  auto index = static_cast<size_t>(digit - '1');
  if (digit == '0' || (digit == '1' && pattern.captures() == 0)) {
    return add_text(buffer, subject.substr(matcher.begin(), matcher.end() - matcher.begin()));
  }
  if (digit < '0' || digit > '9') luaL_error(state, "invalid use of '%%' in replacement string");
  if (index >= pattern.captures())
    luaL_error(state, "invalid capture index %%%c in replacement string", digit);
  const Matcher::Capture& capture = matcher.capture(index);
  if (!capture.position) return add_text(buffer, subject.substr(capture.begin, capture.end - capture.begin));
  char number[24];
  int size = std::snprintf(number, sizeof number, "%zu", capture.begin + 1);
  add_text(buffer, {number, static_cast<size_t>(size)});
}

void add_replacement_text(lua_State* state, luaL_Buffer& buffer, const Pattern& pattern,
                          const Matcher& matcher, std::string_view subject) {
  size_t size = 0;
  const char* data = lua_tolstring(state, 3, &size);
  std::string_view text(data, size);
  spend(state, 1 + text.size() / 4);
  while (!text.empty()) {
    size_t percent = std::min(text.find('%'), text.size());
    add_text(buffer, text.substr(0, percent));
    text.remove_prefix(percent);
    if (text.empty()) break;
    char next = text.size() > 1 ? text[1] : '\0';
    if (next == '%') {
      add_text(buffer, "%");
    } else {
      add_reference(state, buffer, pattern, matcher, subject, next);
    }
    text.remove_prefix(2);
  }
}

// Replaces by what a table holds or a function answers for the first capture; false and nil keep the match.
void add_replacement_value(lua_State* state, luaL_Buffer& buffer, const Pattern& pattern,
                           const Matcher& matcher, std::string_view subject) {
  if (lua_type(state, 3) == LUA_TFUNCTION) {
    lua_pushvalue(state, 3);
    lua_call(state, push_captures(state, pattern, matcher, subject), 1);
  } else {
    if (pattern.captures() == 0) {
      push_match(state, matcher, subject);
    } else {
      push_capture(state, matcher, subject, 0);
    }
    lua_gettable(state, 3);
  }
  if (!lua_toboolean(state, -1)) {
    lua_pop(state, 1);
    return add_text(buffer, subject.substr(matcher.begin(), matcher.end() - matcher.begin()));
  }
  if (!lua_isstring(state, -1)) {
    luaL_error(state, "invalid replacement value (a %s)", luaL_typename(state, -1));
  }
  add_value(buffer);
}

int string_gsub(lua_State* state) {
  std::string_view subject = check_text(state, 1);
  std::string_view text = check_text(state, 2);
  int type = lua_type(state, 3);
  bool by_text = type == LUA_TSTRING || type == LUA_TNUMBER;
  luaL_argexpected(state, by_text || type == LUA_TTABLE || type == LUA_TFUNCTION, 3, "string/function/table");
  lua_Integer most = luaL_optinteger(state, 4, static_cast<lua_Integer>(subject.size()) + 1);
  Pattern pattern;
  compile(state, pattern, text, Pattern::Anchor::allowed);
  Matcher matcher(pattern, subject, Vm::of(state).meter());
  luaL_Buffer buffer;
  luaL_buffinit(state, &buffer);
  size_t copied = 0;  // up to here the subject is in the buffer
  size_t start = 0;
  lua_Integer count = 0;
  bool after_match = false;
  while (count < most && start <= subject.size() && matched(state, matcher.search(start))) {
    bool empty_again = after_match && matcher.end() == copied;
    if (!empty_again) {
      add_text(buffer, subject.substr(copied, matcher.begin() - copied));
      if (by_text) {
        add_replacement_text(state, buffer, pattern, matcher, subject);
      } else {
        add_replacement_value(state, buffer, pattern, matcher, subject);
      }
      ++count;
      copied = matcher.end();
      after_match = true;
    }
    start = empty_again ? matcher.begin() + 1 : matcher.end();
    if (pattern.anchored()) break;
  }
  add_text(buffer, subject.substr(copied));
  luaL_pushresult(&buffer);
  lua_pushinteger(state, count);
  return 2;
}

// ---------------------------------------------------------------- rep

int string_rep(lua_State* state) {
  std::string_view text = check_text(state, 1);
  lua_Integer count = luaL_checkinteger(state, 2);
  std::string_view separator = lua_isnoneornil(state, 3) ? std::string_view() : check_text(state, 3);
  size_t each = text.size() + separator.size();
  if (count <= 0 || each == 0) {
    lua_pushliteral(state, "");
    return 1;
  }
  if (static_cast<lua_Unsigned>(count) > (Vm::kMaxString + separator.size()) / each) {
    Vm::of(state).stop(Failure::memory);
  }
  size_t size = each * static_cast<size_t>(count) - separator.size();
  spend(state, 1 + size / 16 + static_cast<size_t>(count) / 4);
  luaL_Buffer buffer;
  char* out = luaL_buffinitsize(state, &buffer, size);
  for (lua_Integer i = 0; i < count; ++i) {
    if (i > 0) out = std::copy(separator.begin(), separator.end(), out);
    out = std::copy(text.begin(), text.end(), out);
  }
  luaL_pushresultsize(&buffer, size);
  return 1;
}

// ---------------------------------------------------------------- format

// One conversion as written: flags, width and precision of at most two digits, and the letter.
struct Conversion {
  char text[16];  // "%-08.3", to which the length modifier and the letter are added
  size_t size = 0;
  char letter = '\0';
};

size_t count_digits(std::string_view text) {
  size_t count = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
  return count;
}

// Takes a conversion from the front of `rest`, which stands behind the "%".
Conversion take_conversion(lua_State* state, std::string_view& rest) {
  size_t size = std::min(rest.find_first_not_of("-+ #0"), rest.size());
  size_t flags = size;
  size_t width = count_digits(rest.substr(size));
  size += width;
  size_t precision = 0;
  if (size < rest.size() && rest[size] == '.') {
    precision = count_digits(rest.substr(size + 1));
    size += 1 + precision;
  }
  if (flags > 5 || width > 2 || precision > 2 || size == rest.size()) {
    luaL_error(state, "invalid conversion to 'format'");
  }
  Conversion conversion;
  conversion.text[0] = '%';
  std::copy_n(rest.data(), size, conversion.text + 1);
  conversion.size = size + 1;
  conversion.letter = rest[size];
  rest.remove_prefix(size + 1);
  return conversion;
}

void finish(Conversion& conversion, std::string_view letters) {
  std::copy(letters.begin(), letters.end(), conversion.text + conversion.size);
  conversion.text[conversion.size + letters.size()] = '\0';
}

void add_number(lua_State* state, luaL_Buffer& buffer, Conversion conversion, int index) {
  char text[512];  // 309 digits of the largest double, 99 behind the point
  int size = 0;
  char letter = conversion.letter;
  if (std::strchr("aAeEfFgG", letter)) {
    finish(conversion, {&letter, 1});
    size = std::snprintf(text, sizeof text, conversion.text, luaL_checknumber(state, index));
  } else if (letter == 'c') {
    finish(conversion, "c");
    size =
        std::snprintf(text, sizeof text, conversion.text, static_cast<int>(luaL_checkinteger(state, index)));
  } else {
    char letters[] = {'l', 'l', letter};
    finish(conversion, {letters, 3});
    size = std::snprintf(text, sizeof text, conversion.text,
                         static_cast<long long>(luaL_checkinteger(state, index)));
  }
  add_text(buffer, {text, static_cast<size_t>(size)});
}

// Pads by hand: a string may hold zero bytes, and precision cuts it.
void add_string(lua_State* state, luaL_Buffer& buffer, const Conversion& conversion, int index) {
  luaL_checkany(state, index);
  push_text(state, index);
  lua_replace(state, index);
  size_t length = 0;
  const char* data = lua_tolstring(state, index, &length);
  std::string_view text(data, length);
  std::string_view written(conversion.text + 1, conversion.size - 1);
  size_t point = std::min(written.find('.'), written.size());
  auto number = [](std::string_view digits) {
    size_t value = 0;
    for (char digit : digits) value = value * 10 + static_cast<size_t>(digit - '0');
    return value;
  };
  if (point < written.size()) text = text.substr(0, number(written.substr(point + 1)));
  size_t flags = std::min(written.find_first_not_of("-+ #0"), written.size());
  size_t width = number(written.substr(std::min(flags, point), point - std::min(flags, point)));
  bool left = written.substr(0, flags).find('-') != std::string_view::npos;
  static constexpr std::string_view kBlanks =
      "                                                                                                    ";
  std::string_view padding = kBlanks.substr(0, width > text.size() ? width - text.size() : 0);
  add_text(buffer, left ? text : padding);
  add_text(buffer, left ? padding : text);
}

int string_format(lua_State* state) {
  std::string_view rest = check_text(state, 1);
  int count = lua_gettop(state);
  int index = 1;
  luaL_Buffer buffer;
  luaL_buffinit(state, &buffer);
  while (!rest.empty()) {
    size_t percent = std::min(rest.find('%'), rest.size());
    spend(state, 4 + percent / 16);
    add_text(buffer, rest.substr(0, percent));
    rest.remove_prefix(percent);
    if (rest.empty()) break;
    rest.remove_prefix(1);
    if (rest.starts_with('%')) {
      add_text(buffer, "%");
      rest.remove_prefix(1);
      continue;
    }
    Conversion conversion = take_conversion(state, rest);
    if (++index > count) return luaL_argerror(state, index, "no value");
    if (conversion.letter == 's') {
      add_string(state, buffer, conversion, index);
    } else if (conversion.letter != '\0' && std::strchr("diucoxXaAeEfFgG", conversion.letter)) {
      spend(state, 10);
      add_number(state, buffer, conversion, index);
    } else {
      return luaL_error(state, "invalid conversion '%%%c' to 'format'", conversion.letter);
    }
  }
  luaL_pushresult(&buffer);
  return 1;
}

}  // namespace

void add_string_functions(lua_State* state) {
  constexpr luaL_Reg kFunctions[] = {
      {"find", string_find}, {"match", string_match},   {"gmatch", string_gmatch}, {"gsub", string_gsub},
      {"rep", string_rep},   {"format", string_format}, {nullptr, nullptr}};
  luaL_setfuncs(state, kFunctions, 0);
}

}  // namespace banyan::lua
