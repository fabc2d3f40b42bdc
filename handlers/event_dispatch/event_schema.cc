#include "handlers/event_dispatch/event_schema.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/date_time.h"
#include "config/formats.h"

namespace banyan::handlers {
namespace {

using nlohmann::json;

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

bool has_type(const json& value, EventFieldType type) {
  switch (type) {
    case EventFieldType::string:
      return value.is_string();
    case EventFieldType::integer:
      return value.is_number_integer();
    case EventFieldType::number:
      return value.is_number();
    case EventFieldType::boolean:
      return value.is_boolean();
    case EventFieldType::time:
      return value.is_string() && config::parse_date_time(value.get_ref<const std::string&>()).ok();
    case EventFieldType::object:
      return value.is_object();
    case EventFieldType::array:
      return value.is_array();
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

std::optional<FieldProblem> check_field(const EventField& field, const json& event) {
  const auto found = event.find(field.name);
  if (found == event.end() || (found->is_null() && field.type != EventFieldType::any)) {
    if (field.optional) return std::nullopt;
    return FieldProblem{field.name, found == event.end() ? "is missing" : "must not be null"};
  }
  if (has_type(*found, field.type)) return std::nullopt;
  return FieldProblem{field.name, fmt::format("must be {}", row_of(field.type).article)};
}

}  // namespace

config::Format<EventSchema> event_schema() { return {"table of strings", read_schema, print_schema}; }

std::vector<FieldProblem> check_event(const EventSchema& schema, std::string_view text) {
  const json event = json::parse(text, nullptr, false);
  if (event.is_discarded()) return {{"", "is not JSON"}};
  if (!event.is_object()) return {{"", "must be a JSON object"}};
  std::vector<FieldProblem> problems;
  for (const EventField& field : schema) {
    if (auto problem = check_field(field, event)) problems.push_back(*std::move(problem));
  }
  return problems;
}

}  // namespace banyan::handlers
