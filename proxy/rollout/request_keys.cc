#include "rollout/request_keys.h"

namespace banyan::rollout {

std::string_view RequestKeys::cookie(std::string_view name) const {
  for (const http::Field& field : head_.fields) {
    if (field.id != http::FieldId::cookie) continue;
    std::string_view value = find_cookie(field.value, name);
    if (!value.empty()) return value;
  }
  return {};
}

std::string_view RequestKeys::header(std::string_view name) const {
  const http::Field* field = head_.fields.find(name);
  return field ? field->value : std::string_view();
}

}  // namespace banyan::rollout
