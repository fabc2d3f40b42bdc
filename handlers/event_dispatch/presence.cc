#include "handlers/event_dispatch/presence.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json_text.h"
#include "base/log.h"
#include "base/stable_hash.h"
#include "event/loop.h"
#include "handlers/event_dispatch/token.h"
#include "shm/processes.h"

namespace banyan::handlers {
namespace {

// Of a process, in no other process; clients learn nothing else from it.
std::string prefix_of(uint64_t life, uint32_t worker) {
  const std::string_view bytes(reinterpret_cast<const char*>(&life), sizeof life);
  return fmt::format("{:012x}-", stable_hash(bytes, worker) >> 16);
}

}  // namespace

Presence::Presence(handler::Services& services, shm::EventLog& log, const std::vector<std::string>& channels,
                   uint32_t worker, shm::EventLog::Left left)
    : services_(services),
      log_(log),
      channels_(channels),
      prefix_(prefix_of(shm::process_life(services.segment, services.slot), worker)),
      left_prefix_(prefix_of(left.life, worker)),
      left_(std::move(left.channels)) {}

bool Presence::wanted(std::string_view channel) const {
  return std::any_of(channels_.begin(), channels_.end(),
                     [&](const std::string& pattern) { return fits_pattern(pattern, channel); });
}

void Presence::join(std::string_view channel, uint64_t serial, std::string_view user) {
  if (!wanted(channel)) return;
  std::string json = fmt::format("{{\"event\":\"join\",\"id\":\"{}{}\"", prefix_, serial);
  if (!user.empty()) {
    json += ",\"user\":";
    append_json_string(json, user);
  }
  publish(channel, json + "}");
}

void Presence::leave(std::string_view channel, uint64_t serial) {
  if (!wanted(channel)) return;
  publish(channel, fmt::format("{{\"event\":\"leave\",\"id\":\"{}{}\"}}", prefix_, serial));
}

void Presence::announce_left() {
  const std::string json = fmt::format("{{\"event\":\"leave\",\"id_prefix\":\"{}\"}}", left_prefix_);
  for (const std::string& channel : std::exchange(left_, {})) {
    if (wanted(channel)) publish(channel, json);
  }
}

void Presence::publish(std::string_view channel, const std::string& json) {
  const auto published =
      log_.publish(channel, shm::EventKind::presence, json, {}, services_.loop.fresh_now());
  if (!published.ok()) {
    LOG(warn, "presence: an event of channel {} is lost: {}", channel, published.error().message);
    return;
  }
  services_.bells.ring(published->wake);
}

}  // namespace banyan::handlers
