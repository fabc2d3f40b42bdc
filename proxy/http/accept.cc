#include "http/accept.h"

#include <algorithm>

namespace banyan::http {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "q=0", with up to three zeros behind the point.
bool is_weight_zero(std::string_view parameter) {
  if (!equal_ignoring_case(parameter.substr(0, 2), "q=")) return false;
  return parameter.size() > 2 && parameter[2] == '0' &&
         parameter.find_first_not_of("0.", 2) == parameter.npos;
}

bool has_weight_zero(std::string_view parameters) {
  while (true) {
    const size_t end = parameters.find(';');
    if (is_weight_zero(trimmed(parameters.substr(0, end)))) return true;
    if (end == parameters.npos) return false;
    parameters.remove_prefix(end + 1);
  }
}

}  // namespace

bool accepts_by_name(const Fields& fields, std::string_view media_type) {
  bool found = false;
  for (const Field& field : fields) {
    if (field.id != FieldId::accept) continue;
    each_list_element(field.value, [&](std::string_view range) {
      const size_t end = std::min(range.find(';'), range.size());
      if (!equal_ignoring_case(trimmed(range.substr(0, end)), media_type)) return;
      found |= !has_weight_zero(range.substr(end));
    });
  }
  return found;
}

}  // namespace banyan::http
