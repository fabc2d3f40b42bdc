#include "lua/request_view.h"

#include "http/chars.h"

namespace banyan::lua {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

}  // namespace

std::optional<std::string_view> RequestView::header(std::string_view name) const {
  for (size_t i = 0, count = header_count(); i < count; ++i) {
    Field field = header_at(i);
    if (same_name(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::optional<std::string_view> RequestView::cookie(std::string_view name) const {
  CookiePlace place;
  Field cookie;
  while (next_cookie(*this, place, cookie)) {
    if (cookie.name == name) return cookie.value;
  }
  return std::nullopt;
}

bool next_cookie(const RequestView& request, CookiePlace& place, Field& cookie) {
  for (size_t count = request.header_count(); place.header < count; ++place.header, place.offset = 0) {
    Field field = request.header_at(place.header);
    if (!same_name(field.name, "cookie")) continue;
    while (place.offset < field.value.size()) {
      std::string_view rest = field.value.substr(place.offset);
      std::string_view pair = rest.substr(0, rest.find(';'));
      place.offset += pair.size() + 1;
      size_t equals = pair.find('=');
      if (equals == std::string_view::npos) continue;
      cookie = {http::chars::trim(pair.substr(0, equals)), http::chars::trim(pair.substr(equals + 1))};
      if (!cookie.name.empty()) return true;
    }
  }
  return false;
}

}  // namespace banyan::lua
