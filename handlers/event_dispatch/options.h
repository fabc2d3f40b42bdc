// The options of [handler.NAME] with type = "event_dispatch".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/schema.h"
#include "config/section.h"
#include "config/values.h"
#include "handlers/event_dispatch/event_schema.h"
#include "handlers/event_dispatch/publisher.h"
#include "handlers/event_dispatch/redis_options.h"
#include "shm/event_log.h"

namespace banyan::handlers {

struct HistoryOptions {
  uint32_t messages = 300;
  Millis age{300'000};
  bool operator==(const HistoryOptions&) const = default;
};

enum class WhenFull { close, drop_oldest };

struct QueueOptions {
  uint64_t bytes = 256 << 10;
  uint32_t messages = 1024;
  WhenFull when_full = WhenFull::close;
  uint64_t total = 256 << 20;
  bool operator==(const QueueOptions&) const = default;
};

struct SubscribeOptions {
  config::Secret jwt_secret;
  config::FileRef jwt_public_key;
  std::string audience;
  std::string claim = "channels";
  std::vector<std::string> origins;
  std::string authorize;
  bool operator==(const SubscribeOptions&) const = default;
  bool wants_token() const { return !jwt_secret.empty() || !jwt_public_key.empty(); }
};

struct EventDispatchOptions {
  uint64_t memory = 32 << 20;
  uint32_t channels = 128 * 1024;
  HistoryOptions history;
  QueueOptions queue;
  Millis ping{25'000};
  Millis pong{10'000};
  uint64_t max_message = 64 << 10;
  uint32_t max_connections = 0;  // of a worker; 0: from RLIMIT_NOFILE, less 10 percent
  uint32_t max_subscriptions = 100;
  Millis max_wait{60'000};
  bool deflate = true;
  bool websocket_publish = false;
  config::Rate receive_rate{100, Millis(1000)};  // count 0: no limit
  SubscribeOptions subscribe;
  config::Secret publish_token;
  config::Rate publish_rate{0, Millis(1000)};  // of each publisher; count 0: no limit
  uint64_t max_batch = 1 << 20;
  EventSchema schema;
  std::vector<std::string> presence;  // patterns of channels
  std::optional<RedisSourceOptions> source;
  bool operator==(const EventDispatchOptions&) const = default;

  shm::EventLogShape shape() const { return {memory, channels}; }
  PublishLimits publish_limits() const { return {max_message, schema, publish_rate}; }
  shm::EventLog::History log_history() const { return {history.messages, history.age}; }
};

const config::Section<EventDispatchOptions>& event_dispatch_section();

}  // namespace banyan::handlers
