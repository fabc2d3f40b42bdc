#include "exchange/access_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "shm/labels.h"

namespace banyan::exchange {
namespace {

constexpr std::string_view kNone = "-";

std::string_view field_or_empty(const AccessFacts& facts, http::FieldId id) {
  return facts.request ? facts.request->fields.get(id) : std::string_view();
}

// The value of "access_token" in a query (RFC 6750 section 2.3) is a secret: "***" stands for it. `space`
// holds the result if there is one.
std::string_view without_tokens(std::string_view uri, std::string& space) {
  constexpr std::string_view kName = "access_token=";
  size_t taken = 0;
  for (size_t at = uri.find(kName); at != uri.npos; at = uri.find(kName, at)) {
    const bool names = at > 0 && (uri[at - 1] == '?' || uri[at - 1] == '&');
    at += kName.size();
    if (!names) continue;
    space.append(uri, taken, at - taken).append("***");
    taken = std::min(uri.find_first_of("&#", at), uri.size());
    at = taken;
  }
  if (taken == 0) return uri;
  return space.append(uri, taken, uri.npos);
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// As nginx escapes in combined: anything that could forge a line or end a quoted string becomes \xHH.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  if (text.empty()) out += kNone;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      fmt::format_to(std::back_inserter(out), "\\x{:02X}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_combined(const AccessFacts& facts, std::string& out) {
  auto end = std::back_inserter(out);
  fmt::format_to(end, "{} - - [{}] ", facts.remote_addr, facts.time_local);
  if (facts.request) {
    const http::RequestHead& head = *facts.request;
    std::string space;
    std::string line = fmt::format("{} {} HTTP/1.{}", head.method_text, without_tokens(head.target, space),
                                   head.minor_version);
    append_quoted(out, line);
  } else {
    append_quoted(out, {});
  }
  fmt::format_to(end, " {} {} ", facts.status, facts.body_bytes_sent);
  std::string space;
  append_quoted(out, without_tokens(field_or_empty(facts, http::FieldId::referer), space));
  out += ' ';
  append_quoted(out, field_or_empty(facts, http::FieldId::user_agent));
  out += '\n';
}

// Writes the members of one flat object.
class JsonLine {
 public:
  explicit JsonLine(std::string& out) : out_(out) { out_ += '{'; }

  void text(std::string_view name, std::string_view value) {
    key(name);
    out_ += '"';
    size_t plain = 0;
    for (size_t i = 0; i < value.size(); ++i) {
      auto byte = static_cast<unsigned char>(value[i]);
      if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') continue;
      out_.append(value, plain, i - plain);
      plain = i + 1;
      if (byte == '"' || byte == '\\') {
        (out_ += '\\') += value[i];
      } else {
        // Bytes beyond ASCII may not be UTF-8: each stands as the character of that number, so that the line
        // is always JSON.
        fmt::format_to(std::back_inserter(out_), "\\u{:04x}", byte);
      }
    }
    out_.append(value, plain, std::string_view::npos);
    out_ += '"';
  }
  void number(std::string_view name, uint64_t value) {
    key(name);
    fmt::format_to(std::back_inserter(out_), "{}", value);
  }
  void time(std::string_view name, Duration value) {
    key(name);
    fmt::format_to(std::back_inserter(out_), "{:.6f}", seconds(value));
  }
  void truth(std::string_view name, bool value) {
    key(name);
    out_ += value ? "true" : "false";
  }
  void end() { out_ += "}\n"; }

 private:
  void key(std::string_view name) {
    if (out_.back() != '{') out_ += ',';
    ((out_ += '"') += name) += "\":";
  }
  std::string& out_;
};

void append_decision(const AccessFacts& facts, JsonLine& line) {
  if (!facts.decision || !facts.decision->route) return;
  const route::Decision& decision = *facts.decision;
  line.text("route", decision.route->name());
  line.text("side", shm::side_name(decision.side));
  line.text("reason", shm::reason_name(decision.reason));
  if (decision.rollout) {
    line.text("rollout", decision.rollout->plan.name);
    line.number("bucket", decision.rolled.bucket);
  }
  if (decision.endpoint) line.text("target", decision.endpoint->name);
  if (decision.outcome() && decision.outcome()->reason) line.text("lua_reason", *decision.outcome()->reason);
  line.truth("fallback", facts.fallback);
  if (!facts.fallback_reason.empty()) line.text("fallback_reason", facts.fallback_reason);
}

void append_notes(const handler::Notes& notes, Duration total, JsonLine& line) {
  line.number("retries", static_cast<uint64_t>(notes.retries));
  if (!notes.upstream_address.empty()) {
    line.text("upstream_addr", notes.upstream_address);
    line.number("upstream_status", static_cast<uint64_t>(notes.upstream_status));
    if (notes.connect_time) line.time("upstream_connect_time", *notes.connect_time);
    if (notes.header_time) line.time("upstream_header_time", *notes.header_time);
    line.time("upstream_response_time", notes.response_time.value_or(total));
  }
  for (const auto& [name, value] : notes.numbers) line.number(name, value);
}

void append_json(const AccessFacts& facts, std::string& out) {
  JsonLine line(out);
  line.text("time_iso8601", facts.time_iso8601);
  line.text("remote_addr", facts.remote_addr);
  if (facts.request) {
    line.text("request_method", facts.request->method_text);
    line.text("host", facts.request->host);
    std::string space;
    line.text("uri", without_tokens(facts.request->target, space));
  }
  line.number("status", static_cast<uint64_t>(facts.status));
  line.number("body_bytes_sent", facts.body_bytes_sent);
  line.number("request_length", facts.request_length);
  line.time("request_time", facts.request_time);
  std::string space;
  line.text("http_referer", without_tokens(field_or_empty(facts, http::FieldId::referer), space));
  line.text("http_user_agent", field_or_empty(facts, http::FieldId::user_agent));
  append_decision(facts, line);
  if (facts.notes) append_notes(*facts.notes, facts.request_time, line);
  char term[2] = {facts.term.who, facts.term.phase};
  line.text("term", {term, 2});
  if (!facts.error.empty()) line.text("error", facts.error);
  if (!facts.request_id.empty()) line.text("request_id", facts.request_id);
  if (!facts.trace_id.empty()) line.text("trace_id", facts.trace_id);
  if (!facts.tls_protocol.empty()) line.text("tls_protocol", facts.tls_protocol);
  if (!facts.client_subject.empty()) line.text("ssl_client_s_dn", facts.client_subject);
  line.number("conn_requests", facts.conn_requests);
  line.number("worker", static_cast<uint64_t>(facts.worker));
  line.end();
}

}  // namespace

void append_access_line(const AccessFacts& facts, config::AccessLog::Format format, std::string& out) {
  if (format == config::AccessLog::Format::combined) {
    append_combined(facts, out);
  } else {
    append_json(facts, out);
  }
}

}  // namespace banyan::exchange
