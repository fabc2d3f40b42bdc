#include "handlers/batch_fetch/piece.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/json_text.h"
#include "base/utf8.h"

namespace banyan::handlers {
namespace {

// Fields of an answer may hold any byte; JSON may not.
void append_text(std::string& json, std::string_view name, std::string_view text) {
  if (text.empty() || !is_utf8(text)) return;
  json.append(",\"").append(name).append("\":");
  append_json_string(json, text);
}

}  // namespace

void append_members(std::string& text, const Object& object) {
  text.append("\"status\":").append(std::to_string(object.status));
  if (is_refusal(object.status)) append_text(text, "code", object.code);
  append_text(text, "content_type", object.content_type);
  append_text(text, "content_encoding", object.content_encoding);
  append_text(text, "etag", object.etag);
  if (object.status >= 300) return;
  const std::string_view body = object.body.view();
  if (is_utf8(body)) {
    text.append(",\"body\":");
    append_json_string(text, body);
  } else {
    text.append(",\"body_base64\":\"");
    append_base64(text, body);
    text.append("\"");
  }
}

PieceParts read_members(std::string_view members) {
  PieceParts parts;
  const nlohmann::json object = nlohmann::json::parse(fmt::format("{{{}}}", members), nullptr, false);
  if (!object.is_object()) return parts;
  parts.content_type = object.value("content_type", "");
  parts.content_encoding = object.value("content_encoding", "");
  parts.etag = object.value("etag", "");
  parts.code = object.value("code", "");
  parts.body = object.contains("body_base64")
                   ? read_base64(object["body_base64"].get<std::string>()).value_or("")
                   : object.value("body", "");
  return parts;
}

}  // namespace banyan::handlers
