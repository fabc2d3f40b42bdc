// Formats of regular expressions and header fields.

#include <algorithm>

#include "config/config.h"
#include "config/formats.h"
#include "config/names.h"

namespace banyan::config {
namespace {

// Fields whose values are credentials, by the words in their names.
bool is_secret_field(std::string_view name) {
  static constexpr std::string_view kWords[] = {"authorization", "cookie",   "token",
                                                "secret",        "password", "api-key"};
  const std::string small = lower(name);
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](std::string_view word) { return small.find(word) != std::string::npos; });
}

bool read_header_value(const Value& value, const std::string& name, std::vector<HeaderField>& fields) {
  const std::string* text = value.string("a string");
  if (!text) return false;
  if (!is_field_value(*text)) return value.error("must not contain control characters");
  fields.emplace_back(name, *text);
  return true;
}

}  // namespace

bool check_regex(const Value& value, std::string_view pattern) {
  if (pattern.empty()) return value.error("the regular expression is empty");
  const auto& check = value.reader().options().check_regex;
  const std::string wrong = check ? check(pattern) : "";
  return wrong.empty() || value.error(fmt::format("is not a regular expression: {}", wrong));
}

Format<std::string> regex() {
  Format<std::string> format = text();
  format.type = "regular expression";
  format.read = [read = format.read](const Value& value, std::string& result) {
    std::string pattern;
    if (!read(value, pattern) || !check_regex(value, pattern)) return false;
    result = std::move(pattern);
    return true;
  };
  return format;
}

Format<std::string> header_name() {
  Format<std::string> format = checked<std::string>(text(), [](const std::string& value) {
    return is_token(value) ? "" : "is not the name of a header field";
  });
  format.type = "header name";
  return format;
}

Format<std::vector<HeaderField>> header_fields() {
  return {"table of header fields",
          [](const Value& value, std::vector<HeaderField>& result) {
            if (value.node().kind != Node::Kind::table)
              return value.wrong_type("a table such as { Name = \"value\" }");
            std::vector<HeaderField> fields;
            bool good = true;
            for (const Entry& entry : value.node().entries) {
              const Value child = value.entry(entry);
              if (!is_token(entry.key)) {
                good = value.key(entry).error("is not the name of a header field");
              } else if (entry.value.kind == Node::Kind::array) {
                for (size_t i = 0; i < entry.value.items.size(); ++i) {
                  good &= read_header_value(child.item(i), entry.key, fields);
                }
              } else {
                good &= read_header_value(child, entry.key, fields);
              }
            }
            if (good) result = std::move(fields);
            return good;
          },
          [](const std::vector<HeaderField>& fields) {
            std::string text;
            for (size_t i = 0; i < fields.size();) {
              // Fields of one name stand together, as they were read.
              std::vector<std::string> values;
              const std::string& name = fields[i].first;
              const bool secret = is_secret_field(name);
              for (; i < fields.size() && fields[i].first == name; ++i) {
                values.push_back(secret ? std::string(kRedacted) : quote(fields[i].second));
              }
              text += fmt::format("{}{} = ", text.empty() ? "" : ", ", key_text(name));
              text += values.size() == 1 ? values[0] : fmt::format("[{}]", fmt::join(values, ", "));
            }
            return text.empty() ? std::string() : fmt::format("{{ {} }}", text);
          }};
}

}  // namespace banyan::config
