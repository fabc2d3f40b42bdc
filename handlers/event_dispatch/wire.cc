#include "handlers/event_dispatch/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/base64.h"
#include "base/json_text.h"
#include "http/ws_frame.h"

namespace banyan::handlers {
namespace {

// Below it the head of the compressed block eats up what is won.
constexpr size_t kLeastToCompress = 128;

bool is_text(shm::EventKind kind) { return kind != shm::EventKind::binary; }
bool is_json(shm::EventKind kind) { return kind == shm::EventKind::json || kind == shm::EventKind::presence; }

void append_message(std::string& out, http::WsOpcode opcode, std::string_view payload, uint8_t deflate_bits) {
  if (deflate_bits > 0 && payload.size() >= kLeastToCompress) {
    if (std::optional<std::string> small = http::ws_compress(payload, http::WsDeflate{deflate_bits})) {
      http::append_ws_head(opcode, small->size(), true, out);
      out += *small;
      return;
    }
  }
  http::append_ws_frame(opcode, payload, out);
}

// WHATWG HTML section 9.2.5: a line ends at LF, CR or both together.
void append_data_lines(std::string& out, std::string_view text) {
  while (true) {
    const size_t end = std::min(text.find_first_of("\r\n"), text.size());
    out.append("data: ").append(text.substr(0, end)).append("\n");
    if (end == text.size()) return;
    text.remove_prefix(text.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
  }
}

void append_stream_event(std::string& out, const StoredEvent& event, std::string_view id) {
  if (id.empty()) {
    fmt::format_to(std::back_inserter(out), "id: {}:{}\n", event.id.epoch, event.id.offset);
  } else {
    out.append("id: ").append(id).append("\n");
  }
  if (event.kind == shm::EventKind::presence) out += "event: presence\n";
  if (is_text(event.kind)) {
    append_data_lines(out, event.data);
  } else {
    out += "event: binary\ndata: ";
    append_base64(out, event.data);
    out += '\n';
  }
  out += '\n';
}

}  // namespace

std::string event_json(std::string_view channel, const StoredEvent& event) {
  std::string json = "{\"channel\":";
  append_json_string(json, channel);
  fmt::format_to(std::back_inserter(json), ",\"epoch\":{},\"offset\":{}", event.id.epoch, event.id.offset);
  if (event.kind == shm::EventKind::presence) json += ",\"type\":\"presence\"";
  if (is_json(event.kind)) {
    json.append(",\"data\":").append(event.data);
  } else if (is_text(event.kind)) {
    json += ",\"data\":";
    append_json_string(json, event.data);
  } else {
    json += ",\"data_base64\":\"";
    append_base64(json, event.data);
    json += '"';
  }
  json += '}';
  return json;
}

void append_event(std::string& out, const Form& form, std::string_view channel, const StoredEvent& event,
                  std::string_view sse_id) {
  switch (form.dress) {
    case Dress::sse:
      return append_stream_event(out, event, sse_id);
    case Dress::envelope:
      return append_message(out, http::WsOpcode::text, event_json(channel, event), form.deflate_bits);
    case Dress::plain:
      if (event.kind == shm::EventKind::presence) return;
      const bool text = is_text(event.kind);
      return append_message(out, text ? http::WsOpcode::text : http::WsOpcode::binary, event.data,
                            form.deflate_bits);
  }
}

void append_note(std::string& out, Dress dress, std::string_view type, std::string_view json,
                 std::string_view sse_id) {
  if (dress == Dress::sse) {
    if (!sse_id.empty()) out.append("id: ").append(sse_id).append("\n");
    out.append("event: ").append(type).append("\ndata: {").append(json).append("}\n\n");
  } else if (dress == Dress::envelope) {
    append_ws_text(out, fmt::format("{{\"type\":\"{}\"{}{}}}", type, json.empty() ? "" : ",", json));
  }
}

void append_ws_text(std::string& out, std::string_view text) {
  http::append_ws_frame(http::WsOpcode::text, text, out);
}

uint32_t Run::begin_of_message(uint32_t place) const {
  const auto end = std::upper_bound(ends.begin(), ends.end(), place);
  return end == ends.begin() ? 0 : *(end - 1);
}

uint32_t Run::end_of_message(uint32_t place) const {
  return *std::upper_bound(ends.begin(), ends.end(), place);
}

uint32_t Run::messages(uint32_t from, uint32_t to) const {
  const auto first = std::upper_bound(ends.begin(), ends.end(), from);
  return static_cast<uint32_t>(std::upper_bound(first, ends.end(), to) - first);
}

uint32_t Run::begin_after(uint64_t after) const {
  if (after < first_offset) return 0;
  const uint64_t skipped = after - first_offset + 1;
  return skipped >= ends.size() ? size() : ends[skipped - 1];
}

RunRef single_run(std::string bytes) {
  RunRef run = RunRef::make();
  run->bytes = std::move(bytes);
  run->ends.push_back(run->size());
  return run;
}

}  // namespace banyan::handlers
