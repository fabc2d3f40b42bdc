// Long-poll: a request that is answered with the events after a place, or waits until there are some.
//
//   {"events":[{"channel":"x","epoch":7,"offset":12,"data":…}],"next":"7:12","gaps":[…]}
//
// "next" is the "since" of the next request.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/deferred.h"
#include "event/timer.h"
#include "handler/handler.h"
#include "handlers/event_dispatch/channel_names.h"
#include "handlers/event_dispatch/hub.h"

namespace banyan::handlers {

class PollSession final : public handler::Session, private EventListener {
 public:
  // `cors` are further fields of the answer's head, copied.
  PollSession(handler::Call& call, std::shared_ptr<EventHub> hub, const http::Fields& cors);
  ~PollSession() override;

  // `expires`: when what lets it listen does, at which it is answered with nothing more. Error: the log's,
  // see ChannelBook::subscribe.
  Result<void> begin(const EventQuery& query, std::optional<WallTime> expires);
  // Answers with what there is.
  void finish();

 private:
  struct Place {
    Subscription subscription;
    Resume since;
    std::string next() const;
  };

  void on_events(Subscription& subscription, ChannelRound& round) override;
  void on_missed(Subscription& subscription) override;
  bool expired() const { return expires_ && *expires_ <= hub_->loop().wall(); }
  void look();
  bool collect();
  Result<void> collect(Place& place, size_t most_bytes);
  void answer();

  handler::Call& call_;
  std::shared_ptr<EventHub> hub_;
  std::vector<std::unique_ptr<Place>> places_;
  std::string events_;  // JSON, with commas between them
  std::string gaps_;
  http::Fields cors_;
  std::optional<WallTime> expires_;
  event::Deferred look_;
  event::Timer wait_;
  bool over_ = false;
};

}  // namespace banyan::handlers
