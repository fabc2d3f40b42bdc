#include "exchange/access_line.h"

#include <algorithm>

#include "exchange/log_pen.h"
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

// As nginx does in combined: what is not there is "-".
void put_quoted(LogPen& pen, std::string_view text) {
  pen.put("\"");
  pen.escaped(text.empty() ? kNone : text, LogPen::Escape::nginx);
  pen.put("\"");
}

void put_combined(const AccessFacts& facts, LogPen& pen) {
  std::string space;
  pen.put(facts.remote_addr);
  pen.put(" - - [");
  pen.put(facts.time_local);
  pen.put("] ");
  if (facts.request) {
    const http::RequestHead& head = *facts.request;
    pen.put("\"");
    pen.escaped(head.method_text, LogPen::Escape::nginx);
    pen.put(" ");
    pen.escaped(without_tokens(head.target, space), LogPen::Escape::nginx);
    pen.put(" HTTP/1.");
    pen.number(static_cast<uint64_t>(head.minor_version));
    pen.put("\"");
  } else {
    put_quoted(pen, {});
  }
  pen.put(" ");
  pen.number(static_cast<uint64_t>(facts.status));
  pen.put(" ");
  pen.number(facts.body_bytes_sent);
  pen.put(" ");
  space.clear();
  put_quoted(pen, without_tokens(field_or_empty(facts, http::FieldId::referer), space));
  pen.put(" ");
  put_quoted(pen, field_or_empty(facts, http::FieldId::user_agent));
  pen.put("\n");
}

// Writes the members of one flat object.
class JsonLine {
 public:
  explicit JsonLine(LogPen& pen) : pen_(pen) { pen_.put("{"); }

  template <typename Name>
  void text(const Name& name, std::string_view value) {
    key(name);
    pen_.put("\"");
    pen_.escaped(value, LogPen::Escape::json);
    pen_.put("\"");
  }
  template <typename Name>
  void number(const Name& name, uint64_t value) {
    key(name);
    pen_.number(value);
  }
  template <typename Name>
  void time(const Name& name, Duration value) {
    key(name);
    pen_.seconds(value);
  }
  template <typename Name>
  void truth(const Name& name, bool value) {
    key(name);
    pen_.put(value ? std::string_view("true") : std::string_view("false"));
  }
  void end() { pen_.put("}\n"); }

 private:
  // A name is a literal or a view of plain text.
  template <typename Name>
  void key(const Name& name) {
    if (!first_) pen_.put(",");
    first_ = false;
    pen_.put("\"");
    pen_.put(name);
    pen_.put("\":");
  }
  LogPen& pen_;
  bool first_ = true;
};

void put_decision(const AccessFacts& facts, JsonLine& line) {
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

void put_notes(const handler::Notes& notes, Duration total, JsonLine& line) {
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

void put_json(const AccessFacts& facts, LogPen& pen) {
  JsonLine line(pen);
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
  put_decision(facts, line);
  if (facts.notes) put_notes(*facts.notes, facts.request_time, line);
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
  LogPen pen(out);
  if (format == config::AccessLog::Format::combined) {
    put_combined(facts, pen);
  } else {
    put_json(facts, pen);
  }
}

}  // namespace banyan::exchange
