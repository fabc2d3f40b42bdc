#include "handlers/event_dispatch/event_members.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"
#include "handlers/event_dispatch/publisher.h"

namespace banyan::handlers {
namespace {

Error twice(std::string_view name) { return client_error(400, fmt::format("\"{}\" is there twice", name)); }

Result<std::string> read_key(const JsonMember& found) {
  Result<std::string> key = read_text_member(found);
  if (!key.ok() || found.value.empty()) return key;
  if (key->empty() || key->size() > kLongestRepeatKey) {
    return client_error(400, fmt::format("\"key\" must have 1 to {} bytes", kLongestRepeatKey));
  }
  return key;
}

}  // namespace

Result<std::string> read_text_member(const JsonMember& found) {
  if (found.twice) return twice(found.name);
  if (found.value.empty()) return std::string();
  if (found.value[0] != '"') return client_error(400, fmt::format("\"{}\" must be a string", found.name));
  return json_text(found.value);
}

Result<EventMembers> read_event_members(std::span<const JsonMember, 3> found) {
  const JsonMember &data = found[1], &base64 = found[2];
  Result<std::string> key = read_key(found[0]);
  if (!key.ok()) return std::move(key).error();
  if (data.value.empty() == base64.value.empty()) {
    return client_error(400, "there must be either \"data\" or \"data_base64\"");
  }
  if (data.twice) return twice(data.name);
  EventMembers event;
  event.key = *std::move(key);
  if (data.value.empty()) {
    const Result<std::string> text = read_text_member(base64);
    if (!text.ok()) return text.error();
    std::optional<std::string> bytes = read_base64(*text);
    if (!bytes) return client_error(400, "\"data_base64\" is not base64");
    event.kind = shm::EventKind::binary;
    event.data = *std::move(bytes);
  } else if (data.value[0] == '"') {
    event.data = json_text(data.value);
  } else {
    event.kind = shm::EventKind::json;
    event.data = data.value;
  }
  return event;
}

Result<BatchLine> parse_batch_line(std::string_view text) {
  std::array<JsonMember, 4> found = {JsonMember{"channel"}};
  std::ranges::copy(kEventMembers, found.begin() + 1);
  if (!find_json_members(text, found)) {
    return client_error(
        400, fmt::format("the line is not a JSON object, or nested deeper than {} levels", kDeepestJson));
  }
  Result<std::string> channel = read_text_member(found[0]);
  if (!channel.ok()) return std::move(channel).error();
  Result<EventMembers> event = read_event_members(std::span(found).last<3>());
  if (!event.ok()) return std::move(event).error();
  return BatchLine{*std::move(channel), *std::move(event)};
}

}  // namespace banyan::handlers
