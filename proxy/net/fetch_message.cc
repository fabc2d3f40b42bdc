#include "net/fetch_message.h"

#include <fmt/format.h>

#include <algorithm>

namespace banyan::net {
namespace {

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  auto is_token_char = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_field_value(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos;
}

bool is_url(std::string_view url) {
  return std::none_of(url.begin(), url.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
  size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

Result<void> check_request(const FetchRequest& request) {
  std::string_view url = request.url;
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return proxy_error(fmt::format("fetch {}: must begin with http:// or https://", display_url(url)));
  }
  if (!is_url(url))
    return proxy_error(fmt::format("fetch {}: blanks and controls must be escaped", display_url(url)));
  if (!is_token(request.method)) return proxy_error("fetch: the method is not a token");
  for (const FetchField& field : request.fields) {
    if (!is_token(field.name)) return proxy_error("fetch: the name of a field is not a token");
    if (!is_field_value(field.value)) {
      return proxy_error(fmt::format("fetch: field {} has a line break or NUL", field.name));
    }
  }
  return {};
}

std::string display_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  size_t scheme = url.find("://");
  if (scheme == url.npos) return std::string(url);
  size_t host = scheme + 3;
  size_t at = url.substr(0, url.find('/', host)).rfind('@');
  if (at != url.npos && at >= host) return fmt::format("{}{}", url.substr(0, host), url.substr(at + 1));
  return std::string(url);
}

bool HeadReader::take_line(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    response_.fields.clear();
    size_ = 0;
  }
  size_ += line.size();
  if (size_ > kLongest) return false;
  size_t colon = line.find(':');
  bool is_folded = line.starts_with(' ') || line.starts_with('\t');
  if (is_folded && !response_.fields.empty()) {
    response_.fields.back().value.append(" ").append(trim(line));
  } else if (!line.starts_with("HTTP/") && colon != line.npos) {
    response_.fields.push_back(
        {std::string(line.substr(0, colon)), std::string(trim(line.substr(colon + 1)))});
  }
  return true;
}

std::string_view FetchResponse::find(std::string_view name) const {
  for (const FetchField& field : fields) {
    if (equal_ignoring_case(field.name, name)) return field.value;
  }
  return {};
}

}  // namespace banyan::net
