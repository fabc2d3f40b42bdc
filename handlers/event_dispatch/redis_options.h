// The options of `source` of an event_dispatch handler.
#pragma once

#include <optional>
#include <string>

#include "config/section.h"
#include "config/values.h"

namespace banyan::handlers {

struct RedisSourceOptions {
  std::string redis_stream;
  config::Address address{.host = "127.0.0.1", .port = 6379};
  std::string username;
  config::Secret password;
  uint32_t database = 0;
  std::string group;  // empty: "banyan-" and the host's name
  enum class From { now, first };
  From from = From::now;
  std::string channel;  // empty: the entry says it in channel_field
  std::string channel_field = "channel";
  std::string data_field = "data";
  bool operator==(const RedisSourceOptions&) const = default;
};

const config::Section<RedisSourceOptions>& redis_source_section();

}  // namespace banyan::handlers
