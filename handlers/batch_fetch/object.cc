#include "handlers/batch_fetch/object.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "http/date.h"
#include "http/retry_after.h"

namespace banyan::handlers {
namespace {

// 0 … 599 as static text, because results keep a view of it: "http_503".
std::string_view http_reason(int status) {
  static const auto reasons = [] {
    std::array<std::string, 600> texts;
    for (size_t i = 0; i < texts.size(); ++i) texts[i] = fmt::format("http_{}", i);
    return texts;
  }();
  return status >= 0 && status < 600 ? std::string_view(reasons[static_cast<size_t>(status)]) : "protocol";
}

bool is_about_the_key(int status, bool conditional) {
  return (status >= 200 && status < 300) || (status == 304 && conditional) ||
         (status >= 400 && status < 500 && status != 408 && status != 429);
}

// "SignatureDoesNotMatch" of <Error><Code>SignatureDoesNotMatch</Code>…; only plain words are believed.
std::string element_text(std::string_view xml, std::string_view name) {
  const std::string open = fmt::format("<{}>", name);
  const size_t begin = xml.find(open);
  if (begin == std::string_view::npos) return {};
  const size_t end = xml.find("</", begin);
  if (end == std::string_view::npos) return {};
  const std::string_view text = xml.substr(begin + open.size(), end - begin - open.size());
  const bool plain =
      text.size() <= 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
      });
  return plain ? std::string(text) : std::string();
}

std::optional<Millis> read_seconds(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  uint32_t seconds = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  // More than fits is as long as can be said (RFC 9111 section 1.2.2).
  if (problem == std::errc::result_out_of_range) seconds = 1u << 31;
  if (end != text.data() + text.size() || text.empty()) return std::nullopt;
  return Millis(1000) * std::min(seconds, 1u << 31);
}

// What cannot be read makes the answer stale (RFC 9111 section 4.2.1).
void read_directive(std::string_view element, Lifetime& lifetime, bool& shared) {
  const size_t equals = element.find('=');
  const std::string_view name = element.substr(0, equals);
  const std::string_view value = equals == element.npos ? std::string_view() : element.substr(equals + 1);
  const auto is = [&](std::string_view known) { return http::equal_ignoring_case(name, known); };
  if (is("no-store") || is("private")) lifetime.storable = false;
  if (is("no-cache")) lifetime.fresh = Millis(0), shared = true;
  if (is("s-maxage")) {
    lifetime.fresh = read_seconds(value).value_or(Millis(0)), shared = true;
  }
  if (is("max-age") && !shared) lifetime.fresh = read_seconds(value).value_or(Millis(0));
  if (is("stale-while-revalidate")) lifetime.while_revalidate = read_seconds(value);
}

}  // namespace

void Bytes::add(const Slice& slice) {
  if (!slice_.block && joined_.empty()) {
    slice_ = slice;
    return;
  }
  if (slice_.block && slice_.data + slice_.size == slice.data) {  // read into the same block
    slice_.size += slice.size;
    return;
  }
  if (slice_.block) joined_.assign(slice_.view());
  slice_ = {};
  joined_.append(slice.view());
}

Lifetime read_lifetime(const http::Fields& fields, WallTime now) {
  Lifetime lifetime;
  bool shared = false;
  std::string_view expires, date;
  std::optional<Millis> age;
  for (const http::Field& field : fields) {
    if (field.id == http::FieldId::date) date = field.value;
    if (field.id != http::FieldId::other) continue;
    if (http::equal_ignoring_case(field.name, "Cache-Control")) {
      http::each_list_element(field.value,
                              [&](std::string_view element) { read_directive(element, lifetime, shared); });
    } else if (http::equal_ignoring_case(field.name, "Vary")) {
      if (field.value == "*") lifetime.storable = false;  // no other request is like it (section 4.1)
    } else if (http::equal_ignoring_case(field.name, "Expires")) {
      expires = field.value;
    } else if (http::equal_ignoring_case(field.name, "Age")) {
      age = read_seconds(field.value);
    }
  }
  if (!lifetime.fresh && !expires.empty()) {
    const std::optional<WallTime> end = http::parse_date(expires);
    // A date that cannot be read means "already expired" (RFC 9111 section 5.3).
    lifetime.fresh =
        end ? std::chrono::duration_cast<Millis>(*end - http::parse_date(date).value_or(now)) : Millis(0);
  }
  if (lifetime.fresh) lifetime.fresh = std::max(*lifetime.fresh - age.value_or(Millis(0)), Millis(0));
  return lifetime;
}

std::string_view reason_of(const Error& error) {
  constexpr std::pair<std::string_view, std::string_view> kReasons[] = {
      {"http_response_timeout", "timeout"},
      {"connection_timeout", "timeout"},
      {"connection_read_timeout", "timeout"},
      {"connection_write_timeout", "timeout"},
      {"connection_refused", "connect"},
      {"destination_ip_unroutable", "connect"},
      {"connection_limit_reached", "connect"},
      {"destination_unavailable", "connect"},
      {"dns_error", "resolve"},
      {"dns_timeout", "resolve"},
      {"tls_certificate_error", "tls"},
      {"tls_protocol_error", "tls"},
      {"connection_terminated", "reset"},
      {"http_response_incomplete", "reset"},
      {"http_response_body_size", "too_large"},
  };
  for (const auto& [type, reason] : kReasons) {
    if (error.type == type) return reason;
  }
  return "protocol";
}

Object failed_object(const Error& error) {
  Object object;
  object.error = reason_of(error);
  object.detail = error.message;
  object.transient = object.error == "connect" || object.error == "reset" || object.error == "timeout";
  return object;
}

bool is_refusal(int status) { return status >= 400 && status < 500 && status != 404 && status != 410; }

Object read_object(const http::ResponseHead& head, Bytes body, bool conditional, WallTime now) {
  Object object;
  object.answered = head.status;
  const int status = head.status;
  if (status >= 300 && status != 304) {
    object.code = element_text(body.view(), "Code");
    if (const http::Field* region = head.fields.find("x-amz-bucket-region")) object.region = region->value;
    object.location = head.fields.get(http::FieldId::location);
    if (object.region.empty()) object.region = element_text(body.view(), "Region");
  }
  if (!is_about_the_key(status, conditional)) {
    object.error = http_reason(status);
    object.detail = fmt::format("the store answers {} {}", status, object.code);
    object.transient = status >= 500 || status == 408 || status == 429;
    object.retry_after = http::parse_retry_after(head.fields.get(http::FieldId::retry_after), now);
    return object;
  }
  object.status = status;
  object.lifetime = read_lifetime(head.fields, now);
  if (status >= 400) return object;
  object.content_type = head.fields.get(http::FieldId::content_type);
  const std::string_view encoding = head.fields.get(http::FieldId::content_encoding);
  if (!http::equal_ignoring_case(encoding, "identity")) object.content_encoding = encoding;
  if (const http::Field* etag = head.fields.find("ETag")) object.etag = etag->value;
  object.body = std::move(body);
  return object;
}

}  // namespace banyan::handlers
