#include "handlers/batch_fetch/format.h"

#include <algorithm>
#include <array>
#include <charconv>

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

struct Choice {
  Format format;
  std::string_view type;
  int closeness = 0;  // of the range that its weight is from
  int weight = 0;
  size_t place = 0;  // of that range in the list
};

// 3: the type itself, 2: "application/*", 1: "*/*", 0: another one.
int closeness_of(std::string_view range, std::string_view type) {
  if (http::equal_ignoring_case(range, type)) return 3;
  const std::string_view family = type.substr(0, type.find('/') + 1);
  if (range.ends_with('*') && http::equal_ignoring_case(range.substr(0, range.size() - 1), family)) return 2;
  return range == "*/*" ? 1 : 0;
}

bool is_better(const Choice& a, const Choice& b) {
  if (a.weight != b.weight) return a.weight > b.weight;
  return a.closeness != b.closeness ? a.closeness > b.closeness : a.place < b.place;
}

}  // namespace

Format preferred_format(const http::Fields& fields) {
  std::array<Choice, 3> choices = {{{Format::json, "application/json"},
                                    {Format::lines, "application/x-ndjson"},
                                    {Format::multipart, "multipart/mixed"}}};
  size_t place = 0;
  each_weighted(fields, http::FieldId::accept, [&](const Weighted& element) {
    ++place;
    for (Choice& choice : choices) {
      const int closeness = closeness_of(element.name, choice.type);
      if (closeness <= choice.closeness) continue;
      choice.closeness = closeness;
      choice.weight = element.weight;
      choice.place = place;
    }
  });
  return std::min_element(choices.begin(), choices.end(), is_better)->format;
}

bool prefers_gzip(const http::Fields& fields) {
  int named = -1, any = -1, identity = -1;
  each_weighted(fields, http::FieldId::accept_encoding, [&](const Weighted& element) {
    if (http::equal_ignoring_case(element.name, "gzip") ||
        http::equal_ignoring_case(element.name, "x-gzip")) {
      named = element.weight;
    } else if (http::equal_ignoring_case(element.name, "identity")) {
      identity = element.weight;
    } else if (element.name == "*") {
      any = element.weight;
    }
  });
  const int weight = named >= 0 ? named : any;
  return weight > 0 && weight >= identity;
}

}  // namespace banyan::handlers
