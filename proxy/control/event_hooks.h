// Tells others of each change of a rollout's state (on_event in banyan.toml(5)): a POST to a URL, a command,
// or both.
//
//   journal ── look() ─▶ one queue for each rollout and way ─▶ attempt ── fails ─▶ pause, again
//                                                              └─ done, or attempts used up ─▶ next
//
// The text is the journal's line. Nothing waits for hooks: a queue that grows beyond kMostWaiting loses its
// oldest event, with a line in the log. What a dying controller had not delivered yet is not delivered;
// the journal has it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "config/schema.h"
#include "control/hook_line.h"
#include "control/rollout_book.h"
#include "event/loop.h"
#include "net/fetch.h"

namespace banyan::control {

class EventHooks {
 public:
  static constexpr size_t kMostWaiting = 100;

  // All outlive the hooks.
  struct Surroundings {
    event::Loop& loop;
    net::Fetcher& fetcher;
    HookStarter& starter;     // of commands: this process may start none
    Millis first_pause{500};  // after a failed attempt, at random down to its half, doubled each time
    Millis longest_pause{60'000};
  };
  explicit EventHooks(const Surroundings& here);
  // Ends what is under way; a command is killed.
  ~EventHooks();
  EventHooks(const EventHooks&) = delete;
  EventHooks& operator=(const EventHooks&) = delete;

  // The rollouts whose hooks count from now on; events that wait for a hook that is still there stay.
  void adopt(const std::vector<config::Rollout>& rollouts);
  // Queues what the journal has got since the last look. The first one only remembers where it ends.
  void look(const RolloutBook& book);

 private:
  struct Event;
  class Way;
  class Webhook;
  class Command;
  struct Ways {
    std::unique_ptr<Way> webhook;
    std::unique_ptr<Way> command;
  };

  Surroundings here_;
  Random random_;
  bool looked_ = false;
  uint64_t seen_ = 0;                              // sequence of the last entry
  std::map<std::string, Ways, std::less<>> ways_;  // by the rollout's name
};

}  // namespace banyan::control
