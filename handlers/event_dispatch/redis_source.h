// Publishes the entries of a Redis stream, each at least once into the log and, by its id as repeat key, once
// in effect.
//
//   resolve ─▶ connect ─▶ AUTH SELECT XGROUP ─▶ what a predecessor got and did not acknowledge ─▶ XREADGROUP
//   >
//     ▲                                                                                         │
//     └──────────── pause, longer each time, up to ten seconds ◀── any trouble ◀────────────────┘
//
// One process reads (the controller, of which there is always one); when it dies its successor goes on, as
// the group in Redis knows what was acknowledged.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "event/timer.h"
#include "handlers/event_dispatch/publisher.h"
#include "handlers/event_dispatch/redis_link.h"
#include "handlers/event_dispatch/redis_options.h"
#include "net/resolver.h"

namespace banyan::handlers {

class RedisSource final : RedisLink::Listener, net::Resolver::Listener {
 public:
  // Null if the channel's name will do.
  using NameProblem = const char* (*)(std::string_view name);

  // Begins at once. All references outlive it; `name` is the handler's.
  RedisSource(handler::Services& services, Publisher& publisher, const RedisSourceOptions& options,
              std::string_view name, uint32_t number, NameProblem name_problem);
  ~RedisSource();
  RedisSource(const RedisSource&) = delete;
  RedisSource& operator=(const RedisSource&) = delete;

 private:
  enum class Stage {
    idle,
    set_up,
    pending,
    reading,
    refused,  // the log takes no events: a pause when what it took is acknowledged
  };
  struct Entry {
    std::string id;
    std::vector<std::pair<std::string, std::string>> fields;
  };

  void on_resolved(const Result<net::Resolver::Addresses>& addresses) override;
  void on_connected() override;
  void on_reply(RedisReply reply) override;
  void on_gone(const std::string& why) override { recover(why); }

  void begin();
  void connect(config::Address address);
  void on_timer();
  void recover(const std::string& why);
  void ask();
  void on_set_up(const RedisReply& reply);
  void on_entries(const RedisReply& reply);
  void take(const std::vector<Entry>& entries);
  bool publish(const Entry& entry);
  std::string as_json(const Entry& entry) const;
  PublishAnswer publish_data(const Entry& entry, std::string_view channel);
  void set_up_flag(bool up);
  static std::vector<Entry> parse_entries(const RedisReply& reply);

  handler::Services& services_;
  Publisher& publisher_;
  const RedisSourceOptions& options_;
  const std::string name_;
  const std::string group_;
  const NameProblem name_problem_;
  shm::Counter up_gauge_;
  std::unique_ptr<net::Resolver::Question> question_;
  std::unique_ptr<RedisLink> link_;
  Stage stage_ = Stage::idle;
  size_t acknowledgements_ = 0;  // answers to XACK that are to come
  size_t set_up_left_ = 0;
  std::string after_;    // the last entry of a predecessor's that was looked at
  size_t attempts_ = 0;  // to connect to one of the name's addresses
  Duration pause_{};
  bool up_ = false;
  std::optional<TimePoint> complained_;
  Random random_;
  event::Timer timer_;  // a pause, or the longest wait for an answer
};

}  // namespace banyan::handlers
