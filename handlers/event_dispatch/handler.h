// One event_dispatch handler in one worker: which request is what, and who may.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "handler/type.h"
#include "handlers/event_dispatch/authorizing.h"
#include "handlers/event_dispatch/channel_names.h"
#include "handlers/event_dispatch/hub.h"
#include "handlers/event_dispatch/options.h"
#include "handlers/event_dispatch/redis_source.h"
#include "handlers/event_dispatch/rights.h"

namespace banyan::config {
struct HandlerEntry;
}

namespace banyan::handlers {

class EventDispatch final : public handler::Handler {
 public:
  // Errors: no shared memory for the log; a key for tokens that is none.
  static Result<std::unique_ptr<handler::Handler>> make(const config::HandlerEntry& entry,
                                                        handler::Services& services);

  std::unique_ptr<handler::Session> open(handler::Call& call) override;
  void succeed(handler::Handler& predecessor) override;
  void activate() override;
  void drain(Duration time) override;

 private:
  EventDispatch(const config::HandlerEntry& entry, handler::Services& services, std::shared_ptr<EventHub> hub,
                std::shared_ptr<const Rights> rights)
      : entry_(entry), services_(services), hub_(std::move(hub)), rights_(std::move(rights)) {}

  std::unique_ptr<handler::Session> open_channel(handler::Call& call, const std::string& channel);
  std::unique_ptr<handler::Session> publish(handler::Call& call, const std::string& channel);
  std::unique_ptr<handler::Session> open_page(handler::Call& call, const EventPlace& place);
  std::unique_ptr<handler::Session> subscribe(handler::Call& call, const std::string& channel);
  std::unique_ptr<handler::Session> authorize(handler::Call& call, Authorizing::Next next);
  std::unique_ptr<handler::Session> join(handler::Call& call, const EventQuery& query, Grant grant);
  // `challenge`: what WWW-Authenticate says; empty: no such field.
  std::unique_ptr<handler::Session> refuse(handler::Call& call, const Error& error,
                                           std::string_view challenge = {});
  void answer_preflight(handler::Call& call);

  const config::HandlerEntry& entry_;
  handler::Services& services_;
  std::shared_ptr<EventHub> hub_;
  std::shared_ptr<const Rights> rights_;
  // What reloads that changed the size of the log have left behind: they send their subscribers to the new
  // one.
  std::vector<std::shared_ptr<EventHub>> former_;
  std::unique_ptr<RedisSource> source_;  // in the controller only
};

}  // namespace banyan::handlers
