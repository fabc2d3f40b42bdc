#include "http/error_page.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "http/head.h"

namespace banyan::http {

std::string_view error_content_type(bool json) {
  return json ? "application/problem+json" : "text/plain; charset=utf-8";
}

bool accepts_json(std::string_view accept) {
  return accept.find("/json") != std::string_view::npos || accept.find("+json") != std::string_view::npos;
}

std::string error_body(int status, std::string_view detail, bool json) {
  std::string_view title = reason_phrase(status);
  if (!json) {
    return detail.empty() ? fmt::format("{} {}\n", status, title)
                          : fmt::format("{} {}: {}\n", status, title, detail);
  }
  nlohmann::ordered_json problem{{"type", "about:blank"}, {"title", title}, {"status", status}};
  if (!detail.empty()) problem["detail"] = detail;
  return problem.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

void write_error_response(int status, std::string_view detail, std::string_view date, std::string& out) {
  std::string body = error_body(status, detail, false);
  fmt::format_to(std::back_inserter(out),
                 "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
                 "Connection: close\r\n\r\n{}",
                 status, reason_phrase(status), date, error_content_type(false), body.size(), body);
}

}  // namespace banyan::http
