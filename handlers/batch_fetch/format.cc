#include "handlers/batch_fetch/format.h"

#include <charconv>
#include <optional>

namespace banyan::handlers {
namespace {

struct Weighted {
  std::string_view name;
  int weight = 1000;  // thousandths
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "0.75": at most three digits after the point (RFC 9110 section 12.4.2). What cannot be read weighs nothing.
int read_weight(std::string_view text) {
  double weight = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), weight);
  if (problem != std::errc() || end != text.data() + text.size() || !(weight >= 0 && weight <= 1)) return 0;
  return static_cast<int>(weight * 1000 + 0.5);
}

Weighted read_element(std::string_view element) {
  Weighted read;
  size_t end = element.find(';');
  read.name = trimmed(element.substr(0, end));
  while (end != element.npos) {
    element.remove_prefix(end + 1);
    end = element.find(';');
    const std::string_view parameter = trimmed(element.substr(0, end));
    if (parameter.starts_with("q=") || parameter.starts_with("Q="))
      read.weight = read_weight(parameter.substr(2));
  }
  return read;
}

template <class Visit>
void each_weighted(const http::Fields& fields, http::FieldId id, Visit visit) {
  for (const http::Field& field : fields) {
    if (field.id != id) continue;
    http::each_list_element(field.value, [&](std::string_view element) { visit(read_element(element)); });
  }
}

std::optional<Format> find_format(std::string_view type) {
  if (http::equal_ignoring_case(type, "application/json")) return Format::json;
  if (http::equal_ignoring_case(type, "application/x-ndjson")) return Format::lines;
  if (http::equal_ignoring_case(type, "multipart/mixed")) return Format::multipart;
  return std::nullopt;
}

}  // namespace

Format preferred_format(const http::Fields& fields) {
  Format best = Format::json;
  int weight = 0;
  each_weighted(fields, http::FieldId::accept, [&](const Weighted& element) {
    const std::optional<Format> format = find_format(element.name);
    if (!format || element.weight <= weight) return;
    best = *format;
    weight = element.weight;
  });
  return best;
}

bool accepts_gzip(const http::Fields& fields) {
  int named = -1, any = -1;
  each_weighted(fields, http::FieldId::accept_encoding, [&](const Weighted& element) {
    if (http::equal_ignoring_case(element.name, "gzip") ||
        http::equal_ignoring_case(element.name, "x-gzip")) {
      named = element.weight;
    } else if (element.name == "*") {
      any = element.weight;
    }
  });
  return named >= 0 ? named > 0 : any > 0;
}

}  // namespace banyan::handlers
