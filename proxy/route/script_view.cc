#include "route/script_view.h"

#include "route/router.h"

namespace banyan::route {

std::string_view ScriptView::host() const { return host_name(head_.host, arena_); }

lua::Field ScriptView::header_at(size_t index) const {
  const http::Field& field = head_.fields.list()[index];
  return {field.name, field.value};
}

std::optional<std::string_view> ScriptView::header(std::string_view name) const {
  const http::Field* field = head_.fields.find(name);
  if (!field) return std::nullopt;
  return field->value;
}

}  // namespace banyan::route
