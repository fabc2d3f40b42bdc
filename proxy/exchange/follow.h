// Long-lived answers follow their rollout: when a changed percentage has put a client's bucket on the other
// side, its WebSocket or event stream is ended, at the rollout's close_rate, so that the client comes back
// and is decided anew. Only where bucket and percentage decided: who was forced, or sent by a script, stays.
//
// All workers together keep to the rate without talking to each other: the monotonic clock, which they share,
// is cut into slots of one close each, and slot n belongs to worker n mod workers.
//
//   slots      0   1   2   3   4   5        rate "10/s", 2 workers: 100 ms a slot, a close each 200 ms
//   worker     0   1   0   1   0   1
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "event/timer.h"
#include "route/route.h"
#include "shm/labels.h"

namespace banyan::exchange {

class Follow {
 public:
  // One long-lived answer.
  class Member {
   public:
    // What was decided for it.
    struct Decided {
      uint64_t recipe = 0;  // rollout::bucket_recipe() of the plan
      uint32_t bucket = 0;
      uint32_t percent = 0;              // that counted then, hundredths
      shm::Side side = shm::Side::none;  // that answers
    };
    // Its client belongs to the other side now: end it. Called once, from the loop; the member has left
    // already.
    virtual void on_moved() = 0;

   protected:
    ~Member() = default;

   private:
    friend class Follow;
    Decided decided_;
    std::vector<Member*>* home_ = nullptr;  // null: no member
    size_t place_ = 0;
  };

  // The loop must outlive this. `worker` counts from 0, `workers` are all of them.
  Follow(event::Loop& loop, uint32_t worker, uint32_t workers);
  Follow(const Follow&) = delete;
  Follow& operator=(const Follow&) = delete;

  // The configuration whose rollouts and rates count from now on; it lives until the next switch.
  void switch_to(const route::TargetBook& targets);
  // `rollout` is its name.
  void add(Member& member, const std::string& rollout, const Member::Decided& decided);
  // No-op for those that are no members.
  void remove(Member& member);

 private:
  // The answers of one rollout.
  struct Group {
    std::vector<Member*> staying;
    std::vector<Member*> leaving;
    uint32_t percent = 0;  // by which they were sorted
    bool sorted = false;
    uint64_t slot = 0;  // up to which closes were made
  };

  void on_timer();
  TimePoint look_after(const std::string& name, Group& group, TimePoint now);
  void sort(Group& group, const route::RolloutTarget& target, uint32_t percent);
  uint64_t own_slots(uint64_t after, uint64_t until) const;
  uint64_t next_own_slot(uint64_t after) const;
  static void put(std::vector<Member*>& home, Member& member);
  static void take_out(Member& member);

  event::Loop& loop_;
  event::Timer timer_;
  uint32_t worker_;
  uint32_t workers_;
  const route::TargetBook* targets_ = nullptr;
  std::map<std::string, Group, std::less<>> groups_;  // by the rollout's name
};

}  // namespace banyan::exchange
