#include "handlers/event_dispatch/fan_out.h"

namespace banyan::handlers {
namespace {

constexpr size_t kEventsPerRound = 128;
constexpr size_t kBytesPerRound = 256 * 1024;
constexpr Millis kSlice{1};
// Sends between two looks at the clock.
constexpr unsigned kSendsPerLook = 16;

// Each send lets the kernel fill the processor's near caches, and every subscriber's memory lies somewhere
// else. So it is asked for while the sends to those before it are under way: two ahead its place in the
// channel, which says who comes behind it; then what belongs to it.
void look_ahead(const Subscription* next) {
  if (!next) return;
  if (next->next) {
    __builtin_prefetch(next->next);
    __builtin_prefetch(next->next + 1);
  }
  next->listener->warm_up();
}

}  // namespace

FanOut::FanOut(event::Loop& loop, shm::EventLog& log, ChannelBook& book, Owner& owner)
    : loop_(loop),
      log_(log),
      book_(book),
      owner_(owner),
      slice_(loop, Callback::to<&FanOut::run_slice>(this)),
      cursor_(log.end()),
      delivered_(cursor_) {}

void FanOut::run_slice() {
  const TimePoint until = loop_.fresh_now() + kSlice;
  bool idle = false;
  do {
    if (!under_way() && !read_round()) idle = true;
  } while (!idle && deliver(until) && loop_.fresh_now() < until);
  if (!idle) slice_.schedule_next_turn();
  owner_.on_slice_end();
}

// False when there is nothing to deliver, nor more to read. (Events of channels that were forgotten, and
// whose numbers others have now, make rounds without anything to deliver.)
bool FanOut::read_round() {
  shm::EventLog::Event event;
  size_t bytes = 0;
  bool more = true;
  for (size_t count = 0; count < kEventsPerRound && bytes < kBytesPerRound; ++count) {
    const shm::EventLog::Next next = log_.next(cursor_, event);
    if (next == shm::EventLog::Next::overrun) note_missed();
    if (next != shm::EventLog::Next::event) {
      more = false;  // after an overrun what follows is not consecutive to what was read
      break;
    }
    HubChannel* channel = book_.find(event.channel, event.id.epoch);
    // A worker that nobody rings for comes later than the first subscriber to what was published before.
    if (!channel || event.id.offset <= channel->joined_at) continue;
    if (!channel->round) {
      channel->round = std::make_unique<ChannelRound>(*channel);
      channel->round->published = event.published;
      touched_.push_back(channel);
    }
    channel->round->events.push_back({event.id, event.kind, std::string(event.data)});
    bytes += event.data.size();
  }
  place_ = 0;
  walking_ = false;
  if (touched_.empty()) delivered_ = cursor_;
  return more || !touched_.empty();
}

void FanOut::note_missed() {
  book_.each([](Subscription& subscription) {
    subscription.behind = 1;
    subscription.listener->on_missed(subscription);
  });
}

// False when the time is up and the round is not.
bool FanOut::deliver(TimePoint until) {
  unsigned sends = 0;
  for (; place_ < touched_.size(); ++place_, walking_ = false) {
    HubChannel& channel = *touched_[place_];
    if (!walking_) book_.walk = channel.first;
    walking_ = true;
    while (Subscription* subscription = book_.walk) {
      book_.walk = subscription->next;
      look_ahead(book_.walk);
      subscription->listener->on_events(*subscription, *channel.round);
      if (++sends % kSendsPerLook == 0 && book_.walk && loop_.fresh_now() >= until) return false;
    }
    if (channel.round->delivered) owner_.on_delivered(*channel.round);
    book_.end_round(channel);
  }
  touched_.clear();
  delivered_ = cursor_;
  return true;
}

}  // namespace banyan::handlers
