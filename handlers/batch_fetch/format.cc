#include "handlers/batch_fetch/format.h"

#include <algorithm>
#include <array>

#include "http/accept.h"

namespace banyan::handlers {
namespace {

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
  http::each_weighted(fields, http::FieldId::accept, [&](const http::Weighted& element) {
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
  http::each_weighted(fields, http::FieldId::accept_encoding, [&](const http::Weighted& element) {
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
