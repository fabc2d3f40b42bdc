#include "handlers/event_dispatch/event_schema.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "base/json.h"
#include "config/date_time.h"
#include "config/formats.h"

namespace banyan::handlers {
namespace {

struct TypeRow {
  EventFieldType type;
  std::string_view word;
  std::string_view article;  // for people
};
constexpr std::array kTypes = {
    TypeRow{EventFieldType::string, "string", "a string"},
    TypeRow{EventFieldType::integer, "int", "a whole number"},
    TypeRow{EventFieldType::number, "number", "a number"},
    TypeRow{EventFieldType::boolean, "bool", "true or false"},
    TypeRow{EventFieldType::time, "time", "a time such as \"2026-03-01T06:00:00Z\""},
    TypeRow{EventFieldType::object, "object", "an object"},
    TypeRow{EventFieldType::array, "array", "an array"},
    TypeRow{EventFieldType::any, "any", "a value"},
};

const TypeRow& row_of(EventFieldType type) { return kTypes[static_cast<size_t>(type)]; }

constexpr bool in_order() {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (static_cast<size_t>(kTypes[i].type) != i) return false;
  }
  return true;
}
static_assert(in_order());

bool is_number(std::string_view value) { return value[0] == '-' || (value[0] >= '0' && value[0] <= '9'); }

// `value` is JSON.
bool has_type(std::string_view value, EventFieldType type) {
  switch (type) {
    case EventFieldType::string:
      return value[0] == '"';
    case EventFieldType::integer:
      return is_number(value) && value.find_first_of(".eE") == value.npos;
    case EventFieldType::number:
      return is_number(value);
    case EventFieldType::boolean:
      return value == "true" || value == "false";
    case EventFieldType::time:
      return value[0] == '"' && config::parse_date_time(json_text(value)).ok();
    case EventFieldType::object:
      return value[0] == '{';
    case EventFieldType::array:
      return value[0] == '[';
    case EventFieldType::any:
      return true;
  }
  return false;
}

bool read_field(const config::Value& value, EventField& field) {
  std::string text;
  if (!config::nonempty_text().read(value, text)) return false;
  field.optional = text.ends_with('?');
  if (field.optional) text.pop_back();
  for (const TypeRow& row : kTypes) {
    if (row.word == text) return field.type = row.type, true;
  }
  std::vector<std::string_view> words;
  for (const TypeRow& row : kTypes) words.push_back(row.word);
  value.error(
      fmt::format("must be {}, with \"?\" behind it if the field may be missing", config::either(words)));
  return false;
}

bool read_schema(const config::Value& value, EventSchema& schema) {
  if (value.node().kind != config::Node::Kind::table) return value.wrong_type("a table of field types");
  bool good = true;
  schema.clear();
  for (const config::Entry& entry : value.node().entries) {
    EventField& field = schema.emplace_back();
    field.name = entry.key;
    good &= read_field(value.entry(entry), field);
  }
  return good;
}

std::string print_schema(const EventSchema& schema) {
  std::string text;
  for (const EventField& field : schema) {
    text += fmt::format("{}{} = \"{}{}\"", text.empty() ? "" : ", ", config::key_text(field.name),
                        row_of(field.type).word, field.optional ? "?" : "");
  }
  return text.empty() ? "" : fmt::format("{{ {} }}", text);
}

// Null: it fits.
std::optional<std::string> problem_of(const EventField& field, const JsonMember& found) {
  // Readers differ in which of them they take.
  if (found.twice) return "is there twice";
  const bool missing = found.value.empty();
  if (missing || (found.value == "null" && field.type != EventFieldType::any)) {
    if (field.optional) return std::nullopt;
    return missing ? "is missing" : "must not be null";
  }
  if (has_type(found.value, field.type)) return std::nullopt;
  return fmt::format("must be {}", row_of(field.type).article);
}

}  // namespace

config::Format<EventSchema> event_schema() { return {"table of strings", read_schema, print_schema}; }

std::vector<FieldProblem> check_event(const EventSchema& schema, std::string_view text) {
  std::vector<JsonMember> found;
  for (const EventField& field : schema) found.push_back({field.name});
  if (!find_json_members(text, found)) {
    return {{"", is_json(text) ? "must be a JSON object"
                               : fmt::format("is not JSON, or nested deeper than {} levels", kDeepestJson)}};
  }
  std::vector<FieldProblem> problems;
  for (size_t i = 0; i < schema.size(); ++i) {
    if (auto problem = problem_of(schema[i], found[i])) problems.push_back({schema[i].name, *problem});
  }
  return problems;
}

}  // namespace banyan::handlers
