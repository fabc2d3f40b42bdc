#include "handlers/event_dispatch/batch_line.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "handlers/batch_fetch/json_text.h"

namespace banyan::handlers {
namespace {

using Json = nlohmann::ordered_json;

// Takes the member's text if there is one.
Result<void> take_text(Json& object, const char* name, std::string& text) {
  const auto found = object.find(name);
  if (found == object.end()) return {};
  if (!found->is_string()) return client_error(400, fmt::format("\"{}\" must be a string", name));
  text = std::move(found->get_ref<std::string&>());
  return {};
}

}  // namespace

Result<BatchLine> parse_batch_line(std::string_view text) {
  Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) return client_error(400, "the line is not a JSON object");
  BatchLine line;
  Result<void> read = take_text(object, "channel", line.channel);
  if (read.ok()) read = take_text(object, "key", line.key);
  std::string base64;
  if (read.ok()) read = take_text(object, "data_base64", base64);
  if (!read.ok()) return std::move(read).error();
  const bool binary = object.contains("data_base64");
  const auto data = object.find("data");
  if ((data != object.end()) == binary) {
    return client_error(400, "the line must have \"data\" or \"data_base64\"");
  }
  if (binary) {
    line.kind = shm::EventKind::binary;
    line.data = read_base64(base64);
    if (line.data.empty() && !base64.empty()) return client_error(400, "\"data_base64\" is not base64");
  } else if (data->is_string()) {
    line.data = std::move(data->get_ref<std::string&>());
  } else {
    line.kind = shm::EventKind::json;
    line.data = data->dump();
  }
  return line;
}

}  // namespace banyan::handlers
