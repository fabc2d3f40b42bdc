#include "shm/event_id.h"

#include <fmt/format.h>

#include <charconv>

namespace banyan::shm {
namespace {

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number >> 53 != 0) return std::nullopt;
  return number;
}

}  // namespace

std::string to_text(EventId id) { return fmt::format("{}:{}", id.epoch, id.offset); }

std::optional<EventId> parse_event_id(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto epoch = parse_number(text.substr(0, colon)), offset = parse_number(text.substr(colon + 1));
  if (!epoch || !offset) return std::nullopt;
  return EventId{*epoch, *offset};
}

}  // namespace banyan::shm
