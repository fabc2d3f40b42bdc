#include "admin/request.h"

#include <algorithm>

namespace banyan::admin {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool decode(std::string_view text, bool plus_is_blank, std::string& decoded) {
  decoded.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      decoded += ' ';
    } else if (text[i] == '%') {
      const int high = text.size() - i > 2 ? hex_digit(text[i + 1]) : -1;
      const int low = text.size() - i > 2 ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return false;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return true;
}

// Calls visit(part) for each part between separators, empty ones left out; false as soon as it says so.
template <class Visit>
bool each_part(std::string_view text, char separator, Visit visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0 && !visit(text.substr(0, end))) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

Error broken_encoding() { return client_error(400, "'%' must be followed by two hexadecimal digits"); }

}  // namespace

const std::string* Request::find(std::string_view name) const {
  for (const auto& [known, value] : parameters) {
    if (known == name) return &value;
  }
  return nullptr;
}

Result<std::vector<std::string>> split_path(std::string_view path) {
  std::vector<std::string> segments;
  const bool good = each_part(
      path, '/', [&](std::string_view part) { return decode(part, false, segments.emplace_back()); });
  if (!good) return broken_encoding();
  return segments;
}

Result<std::vector<std::pair<std::string, std::string>>> split_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  const bool good = each_part(query, '&', [&](std::string_view part) {
    const size_t equals = std::min(part.find('='), part.size());
    auto& [name, value] = parameters.emplace_back();
    return decode(part.substr(0, equals), true, name) &&
           decode(part.substr(std::min(equals + 1, part.size())), true, value);
  });
  if (!good) return broken_encoding();
  return parameters;
}

}  // namespace banyan::admin
