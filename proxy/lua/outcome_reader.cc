#include "lua/outcome_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>

#include "config/diagnostic.h"

namespace banyan::lua {
namespace {

constexpr size_t kMaxKey = 1024;
constexpr size_t kMaxReason = 128;
constexpr size_t kMaxHeaders = 32;
constexpr size_t kShownText = 40;

// What is wrong with a field: `expected` empty means fine.
using Problem = std::string;

// ---------------------------------------------------------------- texts

bool is_token(std::string_view text) {  // RFC 9110 section 5.6.2
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return std::isalnum(c) || kMarks.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

bool is_field_value(std::string_view text) {  // RFC 9110 section 5.5
  auto blank = [](char c) { return c == ' ' || c == '\t'; };
  if (!text.empty() && (blank(text.front()) || blank(text.back()))) return false;
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); });
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// Fields that say where a message ends or belong to one connection: a script that set them could smuggle a
// request.
bool is_framing(std::string_view name) {
  constexpr std::string_view kNames[] = {"connection", "content-length",    "keep-alive", "proxy-connection",
                                         "te",         "transfer-encoding", "trailer",    "upgrade"};
  return std::find(std::begin(kNames), std::end(kNames), lower(name)) != std::end(kNames);
}

// The text of a string or number without converting it in place.
std::optional<std::string> text_or_number(lua_State* state, int index) {
  if (lua_type(state, index) == LUA_TSTRING) return std::string(text_at(state, index));
  if (lua_isinteger(state, index)) return fmt::format("{}", lua_tointeger(state, index));
  if (lua_type(state, index) == LUA_TNUMBER) return fmt::format("{:.14g}", lua_tonumber(state, index));
  return std::nullopt;
}

// ---------------------------------------------------------------- fields, one reader each; the value is at
// `index`

Problem read_target(lua_State* state, int index, Outcome& outcome) {
  if (lua_type(state, index) != LUA_TSTRING) return "the name of a target";
  outcome.target = text_at(state, index);
  return {};
}

Problem read_side(lua_State* state, int index, Outcome& outcome) {
  if (lua_type(state, index) == LUA_TSTRING) {
    if (text_at(state, index) == "legacy") outcome.side = Side::legacy;
    if (text_at(state, index) == "native") outcome.side = Side::native;
  }
  return outcome.side ? Problem() : "\"legacy\" or \"native\"";
}

Problem read_percent(lua_State* state, int index, Outcome& outcome) {
  double percent = lua_type(state, index) == LUA_TNUMBER ? lua_tonumber(state, index) : -1;
  if (!(percent >= 0 && percent <= 100)) return "a number from 0 to 100";
  outcome.percent = percent;
  return {};
}

Problem read_key(lua_State* state, int index, Outcome& outcome) {
  outcome.key = text_or_number(state, index);
  if (outcome.key && !outcome.key->empty() && outcome.key->size() <= kMaxKey) return {};
  return "a text that is not empty and not longer than 1024 bytes";
}

Problem read_reason(lua_State* state, int index, Outcome& outcome) {
  if (lua_type(state, index) == LUA_TSTRING) {
    std::string_view text = text_at(state, index);
    if (text.size() <= kMaxReason && is_printable(text)) {
      outcome.reason = text;
      return {};
    }
  }
  return "a printable text of at most 128 bytes";
}

Problem read_status(lua_State* state, int index, Outcome& outcome) {
  int exact = 0;
  lua_Integer status = lua_type(state, index) == LUA_TNUMBER ? lua_tointegerx(state, index, &exact) : 0;
  if (!exact || status < 200 || status > 599) return "a whole number from 200 to 599";
  outcome.status = static_cast<int>(status);
  return {};
}

Problem read_body(lua_State* state, int index, Outcome& outcome) {
  outcome.body = text_or_number(state, index);
  return outcome.body ? Problem() : "a text";
}

Problem read_header(lua_State* state, Outcome& outcome) {
  if (lua_type(state, -2) != LUA_TSTRING || !is_token(text_at(state, -2))) {
    return "a table whose keys are field names, not " + describe_value(state, -2);
  }
  std::string_view name = text_at(state, -2);
  if (is_framing(name)) return fmt::format("no {}, which belongs to the connection", name);
  std::optional<std::string> value = text_or_number(state, -1);
  if (!value || !is_field_value(*value)) {
    return fmt::format("{} to be a legal field value, not {}", name, describe_value(state, -1));
  }
  outcome.set_headers.emplace_back(name, std::move(*value));
  return {};
}

Problem read_set_headers(lua_State* state, int index, Outcome& outcome) {
  if (!lua_istable(state, index)) return "a table of field names and values";
  index = lua_absindex(state, index);
  lua_pushnil(state);
  while (lua_next(state, index)) {
    Problem problem =
        outcome.set_headers.size() < kMaxHeaders ? read_header(state, outcome) : "at most 32 fields";
    lua_pop(state, 1);
    if (problem.empty()) continue;
    lua_pop(state, 1);
    return problem;
  }
  std::sort(outcome.set_headers.begin(), outcome.set_headers.end());  // a table has no order of its own
  return {};
}

struct FieldReader {
  std::string_view name;
  Problem (*read)(lua_State*, int, Outcome&);
};

constexpr FieldReader kFields[] = {{"target", read_target},   {"side", read_side},
                                   {"percent", read_percent}, {"key", read_key},
                                   {"reason", read_reason},   {"status", read_status},
                                   {"body", read_body},       {"set_headers", read_set_headers}};

Problem unknown_field(lua_State* state, int index) {
  return fmt::format("unknown field {}; known are target side percent key reason status body set_headers",
                     describe_value(state, index));
}

// Reads the entry whose key is at -2 and whose value is at -1.
Problem read_field(lua_State* state, Outcome& outcome) {
  if (lua_type(state, -2) != LUA_TSTRING) return unknown_field(state, -2);
  std::string_view name = text_at(state, -2);
  for (const FieldReader& field : kFields) {
    if (field.name != name) continue;
    Problem problem = field.read(state, -1, outcome);
    if (problem.empty()) return {};
    return fmt::format("{} = {}; expected {}", name, describe_value(state, -1), problem);
  }
  return unknown_field(state, -2);
}

Problem contradiction(const Outcome& outcome) {
  if (outcome.body && !outcome.status) return "body without status";
  if (outcome.status && (outcome.target || outcome.side || outcome.percent || outcome.key)) {
    return "status beside target, side, percent or key; status answers the request at once";
  }
  return {};
}

Problem read_fields(lua_State* state, int index, Outcome& outcome) {
  index = lua_absindex(state, index);
  lua_pushnil(state);
  while (lua_next(state, index)) {
    Problem problem = read_field(state, outcome);
    lua_pop(state, 1);
    if (problem.empty()) continue;
    lua_pop(state, 1);
    return problem;
  }
  return contradiction(outcome);
}

}  // namespace

std::string describe_value(lua_State* state, int index) {
  switch (lua_type(state, index)) {
    case LUA_TSTRING: {
      std::string_view text = text_at(state, index);
      std::string shown = "\"";
      for (char c : text.substr(0, kShownText)) shown += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
      return shown + (text.size() > kShownText ? "…\"" : "\"");
    }
    case LUA_TNUMBER:
      return *text_or_number(state, index);
    case LUA_TBOOLEAN:
      return lua_toboolean(state, index) ? "true" : "false";
    case LUA_TNIL:
    case LUA_TNONE:
      return "nil";
    default:
      return fmt::format("a {}", luaL_typename(state, index));
  }
}

std::string unknown_target(const KnownTargets& targets, std::string_view name) {
  if (std::binary_search(targets.begin(), targets.end(), name, std::less<>())) return {};
  std::vector<std::string_view> candidates(targets.begin(), targets.end());
  return fmt::format("unknown target \"{}\"{}", name, config::suggestion(name, candidates));
}

void read_outcome(lua_State* state, int index, std::string_view script, const KnownTargets& targets,
                  CallResult& result) {
  if (lua_isnil(state, index)) return;
  auto refuse = [&](Failure failure, std::string_view problem) {
    result.outcome = {};
    result.failure = failure;
    result.message = fmt::format("{}: route() returned {}", script, problem);
  };
  if (!lua_istable(state, index)) {
    return refuse(Failure::bad_return, describe_value(state, index) + "; expected nil or a table");
  }
  Problem problem = read_fields(state, index, result.outcome);
  if (!problem.empty()) return refuse(Failure::bad_return, problem);
  if (!result.outcome.target) return;
  problem = unknown_target(targets, *result.outcome.target);
  if (!problem.empty()) refuse(Failure::unknown_target, problem);
}

bool read_expectation(lua_State* state, int index, Outcome& outcome, std::string& message) {
  if (lua_isnoneornil(state, index)) return true;
  message = lua_istable(state, index) ? read_fields(state, index, outcome) : "expected nil or a table";
  return message.empty();
}

}  // namespace banyan::lua
