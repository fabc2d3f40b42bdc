#include "exchange/outbound_head.h"

#include <charconv>
#include <string>

namespace banyan::exchange {
namespace {

using http::FieldId;

constexpr std::string_view kMaxForwards = "Max-Forwards";

// Fields that tell upstreams who the client is. From a peer that is not trusted they are dropped: only we say
// this.
constexpr http::FieldSet kForwardedFields = {
    FieldId::x_forwarded_for,  FieldId::x_forwarded_proto, FieldId::x_forwarded_host,
    FieldId::x_forwarded_port, FieldId::forwarded,         FieldId::x_client_subject,
};
// Fields that we write anew, whoever sends them.
constexpr http::FieldSet kOwnFields = {FieldId::host, FieldId::x_real_ip, FieldId::x_request_id,
                                       FieldId::traceparent};

http::FieldSet fields_to_drop(const Identity& identity) {
  http::FieldSet drop = kOwnFields;
  if (!identity.client().trusted) drop.add(kForwardedFields);
  if (!identity.client().subject.empty()) drop.add(FieldId::x_client_subject);
  if (!identity.trace_continues()) drop.add(FieldId::tracestate);
  return drop;
}

// The hops that trusted proxies have seen; empty if there are none.
std::string_view take_hops(http::Fields& fields) {
  std::string_view hops;
  for (const http::Field& field : fields) {
    if (field.id != FieldId::x_forwarded_for) continue;
    hops = hops.empty() ? field.value : fields.arena().concat({hops, ", ", field.value});
  }
  fields.remove(FieldId::x_forwarded_for);
  return hops;
}

// For values that cannot hold a control character: written here, or parsed and checked before.
void add_checked(http::Fields& fields, FieldId id, std::string_view value) {
  fields.add({http::field_name(id), value, id, true});
}

void add_forwarded(const OutboundFacts& facts, http::Fields& fields) {
  const handler::Client& client = facts.identity.client();
  Arena& arena = fields.arena();
  const std::string_view hops = client.trusted ? take_hops(fields) : std::string_view();
  const std::string_view peer = facts.identity.peer_text();
  add_checked(fields, FieldId::x_forwarded_for, hops.empty() ? peer : arena.concat({hops, ", ", peer}));
  if (!fields.find(FieldId::x_forwarded_proto))
    add_checked(fields, FieldId::x_forwarded_proto, client.tls ? "https" : "http");
  if (!fields.find(FieldId::x_forwarded_host) && !facts.request.host.empty()) {
    fields.add(FieldId::x_forwarded_host, facts.request.host);
  }
  if (!fields.find(FieldId::x_forwarded_port) && facts.local_port != 0) {
    char* digits = arena.allocate(5);
    char* end = std::to_chars(digits, digits + 5, facts.local_port).ptr;
    add_checked(fields, FieldId::x_forwarded_port, {digits, static_cast<size_t>(end - digits)});
  }
  add_checked(fields, FieldId::x_real_ip, client.ip);
  if (!client.subject.empty()) fields.add(FieldId::x_client_subject, client.subject);
}

void add_trace(const OutboundFacts& facts, http::Fields& fields) {
  fields.add(FieldId::x_request_id, facts.identity.request_id());
  add_checked(fields, FieldId::traceparent, facts.identity.traceparent());
  if (!facts.via.empty()) {
    std::string_view version = facts.request.minor_version == 0 ? "1.0 " : "1.1 ";
    fields.add(FieldId::via, fields.arena().concat({version, facts.via}));
  }
}

}  // namespace

void apply_rules(const config::HeaderRules& rules, http::Fields& fields) {
  for (const std::string& name : rules.remove) fields.remove(name);
  for (const auto& [name, value] : rules.set) {
    fields.remove(name);
    fields.add(name, value);
  }
  for (const auto& [name, value] : rules.add) fields.add(name, value);
}

void make_outbound_head(const OutboundFacts& facts, http::RequestHead& out) {
  const http::RequestHead& request = facts.request;
  out.clear();
  out.method = request.method;
  out.method_text = request.method_text;
  out.target = request.target;
  out.path = facts.route.rewriter().rewrite(request.path, out.text);
  out.query = request.query;
  out.has_query = request.has_query;
  out.host = request.host;
  out.minor_version = 1;
  out.keep_alive = true;
  out.expect_continue = request.expect_continue;
  out.upgrade = request.body.is_empty() ? request.upgrade : std::string_view();
  out.body = request.body;
  http::add_end_to_end_fields(request.fields, out.fields, fields_to_drop(facts.identity));
  // It meant nothing in HTTP/1.0, and would in what goes on (RFC 9110 section 10.1.1).
  if (request.minor_version == 0) out.fields.remove(FieldId::expect);
  if (!facts.withheld.empty()) out.fields.remove(facts.withheld);
  if (const auto left = forwards_left(request)) {
    out.fields.remove(kMaxForwards);
    out.fields.add_copy(kMaxForwards, std::to_string(*left > 0 ? *left - 1 : 0));
  }
  add_forwarded(facts, out.fields);
  add_trace(facts, out.fields);
  if (!facts.timeout_field.empty()) out.fields.remove(facts.timeout_field);
  if (!facts.time_left.empty() && !facts.timeout_field.empty()) {
    out.fields.add(facts.timeout_field, facts.time_left);
  }
  if (facts.script) {
    for (const auto& [name, value] : facts.script->set_headers) {
      out.fields.remove(name);
      out.fields.add(name, value);
    }
  }
  apply_rules(facts.route.rules().request_headers, out.fields);
  // A rule for Host changes the host itself.
  if (const http::Field* host = out.fields.find(FieldId::host)) {
    out.host = host->value;
    out.fields.remove(FieldId::host);
  }
}

std::optional<uint32_t> forwards_left(const http::RequestHead& request) {
  if (request.method != http::Method::options && request.method != http::Method::trace) return {};
  const http::Field* field = request.fields.find(kMaxForwards);
  if (!field) return {};
  const std::string_view text = field->value;
  uint32_t left = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), left);
  if (problem != std::errc() || end != text.data() + text.size()) return {};
  return left;
}

int via_count(const http::Fields& fields, std::string_view via) {
  int count = 0;
  for (const http::Field& field : fields) {
    if (field.id != FieldId::via) continue;
    http::each_list_element(field.value, [&](std::string_view hop) {
      size_t blank = hop.find(' ');
      if (blank == std::string_view::npos) return;
      std::string_view name = hop.substr(blank + 1);
      name = name.substr(0, name.find(' '));
      if (name == via) ++count;
    });
  }
  return count;
}

}  // namespace banyan::exchange
