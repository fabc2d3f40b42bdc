// The channels that this worker has subscribers of, and who they are.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "handlers/event_dispatch/wire.h"
#include "shm/event_log.h"

namespace banyan::handlers {

struct HubChannel;
struct Subscription;

// What came for one channel in one round, and its forms, each made when the first wants it.
class ChannelRound {
 public:
  explicit ChannelRound(const HubChannel& channel) : channel_(channel) {}
  std::vector<StoredEvent> events;  // consecutive offsets, at least one
  TimePoint published{};            // the first of them
  bool delivered = false;           // some of it, to somebody
  uint64_t first_offset() const { return events.front().id.offset; }
  uint64_t last_offset() const { return events.back().id.offset; }

  // All of them in one form, and how many messages that is.
  struct Made {
    Form form;
    uint32_t messages = 0;
    RunPart whole;
  };
  const Made& made(const Form& form) {
    for (const Made& known : made_) {
      if (known.form == form) return known;
    }
    return make(form);
  }

 private:
  const Made& make(const Form& form);

  const HubChannel& channel_;
  std::vector<Made> made_;
};

class EventListener {
 public:
  // on_events() comes in a moment: what it needs may be brought into the processor's cache, no more.
  virtual void warm_up() const {}
  // Called while a round is delivered. May end any subscription; must not begin one.
  virtual void on_events(Subscription& subscription, ChannelRound& round) = 0;
  // Events were missed: what lies behind `after` is to be had by a replay.
  virtual void on_missed(Subscription& subscription) = 0;

 protected:
  ~EventListener() = default;
};

// One listener's place in one channel.
struct Subscription {
  EventListener* listener = nullptr;
  HubChannel* channel = nullptr;  // null: not subscribed
  Subscription* previous = nullptr;
  Subscription* next = nullptr;
  uint64_t after : 63 = 0;  // the offset up to which the listener has what there is
  uint64_t behind : 1 = 0;  // it gets what follows by replays, not by rounds
};

struct HubChannel {
  std::string name;
  uint32_t number = 0;
  uint64_t epoch = 0;
  uint64_t joined_at = 0;  // the newest offset when the first of them came
  Subscription* first = nullptr;
  Subscription* last = nullptr;
  std::unique_ptr<ChannelRound> round;  // while one is under way that has events of it

  shm::EventId id(uint64_t offset) const { return {epoch, offset}; }
};

class ChannelBook {
 public:
  // The log outlives this.
  explicit ChannelBook(shm::EventLog& log) : log_(log) {}
  ChannelBook(const ChannelBook&) = delete;
  ChannelBook& operator=(const ChannelBook&) = delete;

  // From now on the listener is told what comes; `after` is the newest event so far. REQUIRES: not
  // subscribed. Error 503: see shm::EventLog::join.
  Result<void> subscribe(Subscription& subscription, std::string_view name);
  // No-op when it is not subscribed.
  void unsubscribe(Subscription& subscription);
  // Null for channels without subscribers here, and for one of the same number that is no more.
  HubChannel* find(uint32_t number, uint64_t epoch);

  // Calls `visit(subscription)` for every one of every channel; visit() may end none.
  template <class Visit>
  void each(Visit visit) {
    for (auto& [number, channel] : channels_) {
      for (Subscription* s = channel->first; s; s = s->next) visit(*s);
    }
  }
  size_t size() const { return channels_.size(); }

  // The one that a walk over a channel goes on with; moves on when it is unsubscribed.
  Subscription* walk = nullptr;
  // The channel's round is over; the channel goes if nobody is left.
  void end_round(HubChannel& channel);

 private:
  void drop_if_empty(HubChannel& channel);

  shm::EventLog& log_;
  std::unordered_map<uint32_t, std::unique_ptr<HubChannel>> channels_;  // by number
  std::vector<std::unique_ptr<HubChannel>> replaced_;                   // until their round is over
};

}  // namespace banyan::handlers
