#include "http/accept.h"

#include <charconv>

#include "http/chars.h"

namespace banyan::http {
namespace {

// "0.75": at most three digits after the point.
int read_weight(std::string_view text) {
  double weight = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), weight);
  if (problem != std::errc() || end != text.data() + text.size() || !(weight >= 0 && weight <= 1)) return 0;
  return static_cast<int>(weight * 1000 + 0.5);
}

}  // namespace

Weighted read_weighted(std::string_view element) {
  Weighted read;
  size_t end = element.find(';');
  read.name = chars::trim(element.substr(0, end));
  while (end != element.npos) {
    element.remove_prefix(end + 1);
    end = element.find(';');
    const std::string_view parameter = chars::trim(element.substr(0, end));
    if (equal_ignoring_case(parameter.substr(0, 2), "q=")) read.weight = read_weight(parameter.substr(2));
  }
  return read;
}

bool accepts_by_name(const Fields& fields, std::string_view media_type) {
  bool found = false;
  each_weighted(fields, FieldId::accept, [&](const Weighted& range) {
    found |= equal_ignoring_case(range.name, media_type) && range.weight > 0;
  });
  return found;
}

}  // namespace banyan::http
