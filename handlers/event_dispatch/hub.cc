#include "handlers/event_dispatch/hub.h"

#include <sys/resource.h>

#include <algorithm>

#include "handlers/event_dispatch/poll_session.h"
#include "handlers/event_dispatch/rights.h"
#include "shm/processes.h"

namespace banyan::handlers {
namespace {

constexpr size_t kReadSpace = 16 * 1024;
// Of work that may take long, in one turn of the loop.
constexpr Millis kSlice{1};
// Of a drain that has time: a hundred closes a second.
constexpr uint64_t kMillisPerClose = 10;
// How long rights that were changed may be used by those who have to ask again.
constexpr Millis kRenewal{10'000};

uint32_t worker_of(uint32_t slot) {
  return slot >= shm::kFirstWorkerSlot ? slot - shm::kFirstWorkerSlot : shm::EventLog::kNoWorker;
}

size_t most_connections(const EventDispatchOptions& options) {
  if (options.max_connections > 0) return options.max_connections;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  return limit.rlim_cur - limit.rlim_cur / 10;
}

}  // namespace

EventHub::EventHub(handler::Services& services, shm::Region region, const EventDispatchOptions& options,
                   std::shared_ptr<const Rights> rights, uint32_t number)
    : services_(services),
      region_(std::move(region)),
      options_(options),
      rights_(std::move(rights)),
      publish_limits_(options.publish_limits()),
      meters_(services.counters, number),
      log_(region_.bytes(), worker_of(services.slot), shm::process_life(services.segment, services.slot),
           options.presence.empty() ? nullptr : &left_),
      publisher_(services, log_, publish_limits_, number),
      presence_(services, log_, options_.presence, worker_of(services.slot), std::move(left_)),
      book_(log_),
      fan_out_(services.loop, log_, book_, *this),
      bell_(services.bells, Callback::to<&EventHub::wake>(this)),
      again_notice_(services.loop, Callback::to<&EventHub::on_again>(this)),
      tick_(services.loop, Callback::to<&EventHub::on_tick>(this)),
      read_space_(kReadSpace),
      most_connections_(most_connections(options)) {}

EventHub::~EventHub() {
  wheel_.each([this](WheelEntry& entry) {
    wheel_.take_out(entry);
    delete static_cast<Subscriber*>(&entry);
  });
  meters_.queue_bytes.set(queue_memory_);
}

void EventHub::apply(const EventDispatchOptions& options, std::shared_ptr<const Rights> rights) {
  const bool other_rights = !judged_by(*rights);
  const bool answers_stand = rights->options().authorize == rights_->options().authorize;
  options_ = options;
  rights_ = std::move(rights);
  publish_limits_ = options.publish_limits();
  most_connections_ = most_connections(options);
  if (!other_rights) return;
  // Whom it makes ask again need not do so all at once.
  const uint64_t spread = std::min<uint64_t>(kRenewal.count(), wheel_.size() * kMillisPerClose);
  wheel_.each([&](WheelEntry& entry) {
    static_cast<Subscriber&>(entry).renew(*rights_, answers_stand, Millis(1 + random_.below(spread + 1)));
  });
  answer_polls();  // they are checked when they come again
}

bool EventHub::judged_by(const Rights& rights) const { return rights.options() == rights_->options(); }

void EventHub::drain(Duration time) {
  if (draining_) return;
  draining_ = loop().now();
  answer_polls();
  // Some time must be left for the last of them to say goodbye; few need not be spread over all of it.
  const auto whole = static_cast<uint64_t>(std::chrono::duration_cast<Millis>(time).count());
  const uint64_t spread = std::min(whole * 3 / 4, wheel_.size() * kMillisPerClose);
  wheel_.each([&](WheelEntry& entry) {
    if (static_cast<Subscriber&>(entry).open()) wheel_.put(entry, Millis(random_.below(spread + 1)));
  });
}

void EventHub::answer_polls() {
  const std::set<PollSession*> now = polls_;
  for (PollSession* poll : now) poll->finish();
}

void EventHub::adopt(std::unique_ptr<Subscriber> subscriber, handler::Connection connection,
                     const Rights& judge) {
  if (!tick_.running()) {
    ticked_ = loop().now();
    tick_.start(Wheel::kTick);
  }
  // From here on it is on the wheel, whose entries are the hub's.
  subscriber.release()->begin(std::move(connection), judged_by(judge) ? nullptr : rights_.get());
}

void EventHub::retire(Subscriber& subscriber) {
  wheel_.take_out(subscriber);
  if (subscriber.place_in_again != UINT32_MAX) again_[subscriber.place_in_again] = nullptr;
  loop().dispose(std::unique_ptr<Subscriber>(&subscriber));
}

void EventHub::again(Subscriber& subscriber) {
  if (subscriber.gone() || subscriber.place_in_again != UINT32_MAX) return;
  subscriber.place_in_again = static_cast<uint32_t>(again_.size());
  again_.push_back(&subscriber);
  again_notice_.schedule_next_turn();
}

// In slices: after an overrun, or when another worker has died, there may be thousands.
void EventHub::on_again() {
  const TimePoint until = loop().fresh_now() + kSlice;
  std::vector<Subscriber*> now;
  now.swap(again_);
  for (Subscriber* subscriber : now) {
    if (subscriber) subscriber->place_in_again = UINT32_MAX;
  }
  bool more_time = true;
  for (Subscriber* subscriber : now) {
    if (!subscriber) continue;
    if (more_time) {
      subscriber->on_turn();
      more_time = loop().fresh_now() < until;
    } else {
      again(*subscriber);
    }
  }
}

void EventHub::on_delivered(const ChannelRound& round) {
  meters_.delivery_time.observe(std::max<Duration>(loop().fresh_now() - round.published, Duration(0)));
}

void EventHub::on_slice_end() {
  std::vector<Subscriber*> now;
  now.swap(put_off_);
  for (Subscriber* subscriber : now) subscriber->flush();
  meters_.queue_bytes.set(queue_memory_);
}

void EventHub::on_tick() {
  const TimePoint now = loop().now();
  for (; ticked_ + Wheel::kTick <= now; ticked_ += Wheel::kTick) {
    wheel_.tick([](WheelEntry& entry) { static_cast<Subscriber&>(entry).on_due(); });
  }
  meters_.queue_bytes.set(queue_memory_);
  if (!wheel_.empty()) tick_.start(Wheel::kTick);
}

// Give or take a tenth.
Millis EventHub::jittered(Millis time) {
  const auto tenth = static_cast<uint64_t>(time.count() / 10);
  return time - Millis(tenth) + Millis(random_.below(2 * tenth + 1));
}

}  // namespace banyan::handlers
