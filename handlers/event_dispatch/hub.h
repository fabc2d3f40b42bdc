// What the subscribers of one worker share: the log, who listens to what, when to look at whom.
//
//   Bells ─▶ FanOut ─▶ Subscriber … (WebSocket, event streams), PollSession … (long-poll)
//
// It outlives the handler that made it: a reload with other options hands it on to the next one, with all
// connections, and calls that began under the former keep it alive.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "event/timer.h"
#include "handler/bells.h"
#include "handler/type.h"
#include "handlers/event_dispatch/channel_book.h"
#include "handlers/event_dispatch/fan_out.h"
#include "handlers/event_dispatch/meters.h"
#include "handlers/event_dispatch/options.h"
#include "handlers/event_dispatch/presence.h"
#include "handlers/event_dispatch/publisher.h"
#include "handlers/event_dispatch/subscriber.h"
#include "handlers/event_dispatch/wheel.h"
#include "shm/regions.h"

namespace banyan::handlers {

// Close code of plain WebSockets for which events are missing; from the range for applications.
inline constexpr uint16_t kWsGap = 4000;

class PollSession;
class Rights;

class EventHub final : private FanOut::Owner {
 public:
  // `services` outlive it, the options are copied. `number`: the handler's in the directory.
  EventHub(handler::Services& services, shm::Region region, const EventDispatchOptions& options,
           std::shared_ptr<const Rights> rights, uint32_t number);
  ~EventHub();

  event::Loop& loop() { return services_.loop; }
  handler::Services& services() { return services_; }
  const EventDispatchOptions& options() const { return options_; }
  shm::EventLog& log() { return log_; }
  ChannelBook& book() { return book_; }
  Wheel& wheel() { return wheel_; }
  Publisher& publisher() { return publisher_; }
  Presence& presence() { return presence_; }
  EventMeters& meters() { return meters_; }
  // Bytes of the runs that wait in queues.
  uint64_t& queue_memory() { return queue_memory_; }
  // For reading from a socket; used up when the call that reads returns.
  std::span<char> read_space() { return read_space_; }

  // Who waits for an answer; each puts itself in and takes itself out.
  std::set<PollSession*>& polls() { return polls_; }

  // Other options from now on, and other rights: who would not be let in any more is sent away.
  void apply(const EventDispatchOptions& options, std::shared_ptr<const Rights> rights);
  // Those rights are the ones that count now: no reload has brought others.
  bool judged_by(const Rights& rights) const;
  // Sends all away, spread over that time, and those who still come. A second call has no effect.
  void drain(Duration time);

  // Nobody is connected.
  bool idle() const { return wheel_.empty() && polls_.empty(); }
  // No more connections are to be had.
  bool full() const { return wheel_.size() + polls_.size() >= most_connections_; }
  // Takes a connection that was handed over. `judge` are the rights under which it was let in.
  void adopt(std::unique_ptr<Subscriber> subscriber, handler::Connection connection, const Rights& judge);
  // It dies at the end of the turn.
  void retire(Subscriber& subscriber);
  // Subscriber::on_turn() will be called in the next turn, unless it is gone; flush() when the slice of the
  // round is over.
  void again(Subscriber& subscriber);
  void flush_later(Subscriber& subscriber) { put_off_.push_back(&subscriber); }
  // There may be something new in the log.
  void wake() { fan_out_.wake(); }
  // All up to that position of the log was given to those who listen.
  bool has_delivered(uint64_t position) const { return fan_out_.has_delivered(position); }
  // It could not be had, which may have taken a second: nobody asks for a replay for that time.
  void rest_log(Millis time) { log_rests_until_ = loop().fresh_now() + time; }
  bool log_rests() { return loop().now() < log_rests_until_; }
  bool draining() const { return draining_.has_value(); }

  // When a connection is to be looked at next: for its ping, or for its end.
  Millis until_ping() { return draining_ ? Millis(random_.below(1000)) : jittered(options_.ping); }
  Millis until_pong() const { return options_.pong; }
  // When event streams are to come back: in one to four seconds.
  Millis retry_with_jitter() { return Millis(1000 + random_.below(3000)); }

 private:
  void on_delivered(const ChannelRound& round) override;
  void on_slice_end() override;

  void on_again();
  void answer_polls();
  void on_tick();
  Millis jittered(Millis time);

  handler::Services& services_;
  shm::Region region_;
  EventDispatchOptions options_;
  std::shared_ptr<const Rights> rights_;
  PublishLimits publish_limits_;
  EventMeters meters_;
  uint64_t queue_memory_ = 0;
  shm::EventLog::Left left_;
  shm::EventLog log_;
  Publisher publisher_;
  Presence presence_;
  ChannelBook book_;
  Wheel wheel_;
  FanOut fan_out_;
  handler::Bells::Listener bell_;
  event::Deferred again_notice_;
  event::Timer tick_;
  TimePoint ticked_{};
  TimePoint log_rests_until_{};
  std::vector<Subscriber*> again_;    // null: gone since
  std::vector<Subscriber*> put_off_;  // alive until the end of the turn, and flushed before
  std::vector<char> read_space_;
  std::set<PollSession*> polls_;
  std::optional<TimePoint> draining_;  // since then
  size_t most_connections_;
  Random random_;
};

}  // namespace banyan::handlers
