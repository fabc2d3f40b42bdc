// A connection to Redis: hiredis on this loop. Nothing of hiredis gets out of redis_link.cc.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/values.h"

namespace banyan::event {
class Loop;
}

namespace banyan::handlers {

// An answer of Redis, as a tree of texts.
struct RedisReply {
  enum class Kind { nil, text, number, error, list };
  Kind kind = Kind::nil;
  std::string text;  // of an error too
  int64_t number = 0;
  std::vector<RedisReply> list;
};

class RedisLink {
 public:
  class Listener {
   public:
    // All of them come from the loop, never inside a call to the link, which may be destroyed within.
    virtual void on_connected() = 0;
    // To the oldest command that had no answer yet.
    virtual void on_reply(RedisReply reply) = 0;
    // The connection could not be made, or is gone; nothing else comes after it.
    virtual void on_gone(const std::string& why) = 0;

   protected:
    ~Listener() = default;
  };

  // Connects to an IP address or a unix socket. `loop` and `listener` outlive it.
  RedisLink(event::Loop& loop, const config::Address& address, Listener& listener);
  ~RedisLink();
  RedisLink(const RedisLink&) = delete;
  RedisLink& operator=(const RedisLink&) = delete;

  void send(const std::vector<std::string>& command);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace banyan::handlers
