// Whether this worker has too little of something to take on more work: looked at ten times a second, told to
// every new request (exchange/admission.h). What is under way goes on, tunnels and event streams too.
//
//   loop_lag      turns of the loop as long as that, three looks in a row: a single long one is no overload
//   descriptors   the lowest free descriptor is that high
//   memory        resident memory that the process has for itself
#pragma once

#include "config/schema.h"
#include "event/timer.h"
#include "exchange/admission.h"
#include "process/resident_memory.h"

namespace banyan::process {

class Overload final : public exchange::LoadJudge {
 public:
  static constexpr Millis kLook{100};

  // Both outlive it. Judges nothing before the first set().
  Overload(event::Loop& loop, const ResidentMemory& memory);

  void set(const config::Overload& limits);
  std::optional<shm::OverloadReason> overloaded() const override { return reason_; }

 private:
  void on_timer();
  void look_at_lag();
  std::optional<shm::OverloadReason> judge() const;
  bool too_many_descriptors() const;
  bool too_much_memory() const;

  event::Loop& loop_;
  const ResidentMemory& memory_;
  event::Timer timer_;
  config::Overload limits_;
  uint64_t most_descriptors_ = 0;
  TimePoint due_{};
  int late_in_a_row_ = 0;
  std::optional<shm::OverloadReason> reason_;
};

}  // namespace banyan::process
