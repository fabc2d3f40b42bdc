#include "process/overload.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "event/loop.h"
#include "process/descriptors.h"

namespace banyan::process {
namespace {

constexpr int kLateLooks = 3;

}  // namespace

Overload::Overload(event::Loop& loop, const ResidentMemory& memory)
    : loop_(loop), memory_(memory), timer_(loop, Callback::to<&Overload::on_timer>(this)) {}

void Overload::set(const config::Overload& limits) {
  limits_ = limits;
  const uint64_t limit = descriptor_limit();
  most_descriptors_ = limit / 10'000 * limits.descriptors + limit % 10'000 * limits.descriptors / 10'000;
  late_in_a_row_ = 0;
  due_ = loop_.now() + kLook;
  timer_.start_at(due_);
}

void Overload::on_timer() {
  look_at_lag();
  const std::optional<shm::OverloadReason> before = reason_;
  reason_ = judge();
  if (reason_ && reason_ != before) {
    LOG(warn, "overload: too little of {}; new requests are answered by 503",
        shm::overload_reason_name(*reason_));
  } else if (!reason_ && before) {
    LOG(notice, "overload: over");
  }
}

void Overload::look_at_lag() {
  const TimePoint now = loop_.now();
  const bool late = limits_.loop_lag.count() > 0 && now - due_ >= limits_.loop_lag;
  late_in_a_row_ = late ? late_in_a_row_ + 1 : 0;
  due_ = now + kLook;
  timer_.start_at(due_);
}

std::optional<shm::OverloadReason> Overload::judge() const {
  if (late_in_a_row_ >= kLateLooks) return shm::OverloadReason::loop_lag;
  if (too_many_descriptors()) return shm::OverloadReason::descriptors;
  if (too_much_memory()) return shm::OverloadReason::memory;
  return std::nullopt;
}

// The kernel gives out the lowest one that is free.
bool Overload::too_many_descriptors() const {
  if (limits_.descriptors == 0) return false;
  const int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  if (lowest < 0) return errno == EMFILE;
  close(lowest);
  return static_cast<uint64_t>(lowest) >= most_descriptors_;
}

bool Overload::too_much_memory() const { return limits_.memory > 0 && memory_.bytes() > limits_.memory; }

}  // namespace banyan::process
