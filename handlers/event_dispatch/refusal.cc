#include "handlers/event_dispatch/refusal.h"

#include <fmt/format.h>

#include "base/json_text.h"

namespace banyan::handlers {
namespace {

void add_fields_of(int status, std::string_view allow, http::Fields& fields) {
  using http::FieldId;
  switch (status) {
    case 405:
      fields.add("Allow", allow);
      break;
    case 426:
      fields.add(FieldId::upgrade, "websocket");
      fields.add("Sec-WebSocket-Version", "13");
      break;
    case 429:
    case 503:
      fields.add(FieldId::retry_after, "1");
      break;
  }
}

}  // namespace

void answer_refusal(handler::Call& call, BufferPools& buffers, const Error& error,
                    const http::Fields& challenges, std::string_view allow) {
  std::string json = "{\"title\":";
  append_json_string(json, http::reason_phrase(error.status));
  fmt::format_to(std::back_inserter(json), ",\"status\":{},\"detail\":", error.status);
  append_json_string(json, error.message);
  json += "}\n";
  http::ResponseHead head;
  head.status = error.status;
  head.fields.add(http::FieldId::content_type, "application/problem+json");
  add_fields_of(error.status, allow, head.fields);
  for (const http::Field& field : challenges) head.fields.add(field);
  handler::answer(call, buffers, std::move(head), json);
}

}  // namespace banyan::handlers
