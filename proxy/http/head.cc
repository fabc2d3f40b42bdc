#include "http/head.h"

#include <algorithm>

namespace banyan::http {
namespace {

struct NamedMethod {
  std::string_view name;
  Method method;
};

constexpr NamedMethod kMethods[] = {
    {"GET", Method::get},         {"HEAD", Method::head},      {"POST", Method::post},
    {"PUT", Method::put},         {"DELETE", Method::delete_}, {"CONNECT", Method::connect},
    {"OPTIONS", Method::options}, {"TRACE", Method::trace},    {"PATCH", Method::patch},
};

struct NamedStatus {
  int status;
  std::string_view phrase;
};

// RFC 9110 section 15 and the IANA registry, sorted.
constexpr NamedStatus kStatuses[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

bool named_by_connection(const Fields& fields, std::string_view name) {
  bool named = false;
  for (const Field& field : fields) {
    if (field.id != FieldId::connection) continue;
    each_list_element(field.value,
                      [&](std::string_view option) { named |= equal_ignoring_case(option, name); });
  }
  return named;
}

// True for the usual values of Connection, which name no field beyond the hop-by-hop ones.
bool names_nothing_else(std::string_view value) {
  return equal_ignoring_case(value, "keep-alive") || equal_ignoring_case(value, "close") ||
         equal_ignoring_case(value, "upgrade");
}

}  // namespace

Method parse_method(std::string_view text) {
  for (const NamedMethod& known : kMethods) {
    if (known.name == text) return known.method;
  }
  return Method::other;
}

std::string_view method_name(Method method) {
  for (const NamedMethod& known : kMethods) {
    if (known.method == method) return known.name;
  }
  return "OTHER";
}

bool is_safe(Method method) {
  return method == Method::get || method == Method::head || method == Method::options ||
         method == Method::trace;
}

bool is_idempotent(Method method) {
  return is_safe(method) || method == Method::put || method == Method::delete_;
}

void RequestHead::clear() {
  method = Method::get;
  method_text = target = path = query = host = upgrade = {};
  has_query = false;
  minor_version = 1;
  keep_alive = true;
  expect_continue = false;
  body = {};
  fields.clear();
  storage.reset();
  text.reset();
}

void ResponseHead::clear() {
  status = 200;
  reason = {};
  minor_version = 1;
  keep_alive = true;
  body = {};
  fields.clear();
  storage.reset();
}

std::string_view reason_phrase(int status) {
  auto found = std::ranges::lower_bound(kStatuses, status, {}, &NamedStatus::status);
  return found != std::end(kStatuses) && found->status == status ? found->phrase : std::string_view();
}

bool has_no_body(Method request_method, int status) {
  return request_method == Method::head || status < 200 || status == 204 || status == 304;
}

void add_end_to_end_fields(const Fields& from, Fields& to, FieldSet except) {
  except.add(kHopByHopFields);
  bool more_named = false;
  for (const Field& field : from) {
    more_named |= field.id == FieldId::connection && !names_nothing_else(field.value);
  }
  for (const Field& field : from) {
    if (except.contains(field.id)) continue;
    if (more_named && named_by_connection(from, field.name)) continue;
    to.add(field);
  }
}

}  // namespace banyan::http
