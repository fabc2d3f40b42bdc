#include "handler/bells.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "base/log.h"

namespace banyan::handler {

Result<std::vector<int>> make_bells(uint32_t workers) {
  std::vector<int> fds;
  for (uint32_t i = 0; i < workers; ++i) {
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd >= 0) {
      fds.push_back(fd);
      continue;
    }
    const int error = errno;
    for (int open : fds) close(open);
    return system_error("make an eventfd for each worker", error);
  }
  return fds;
}

Bells::Bells(event::Loop& loop, shm::Segment& segment, std::vector<int> fds, uint32_t slot)
    : segment_(segment),
      fds_(std::move(fds)),
      own_(slot < shm::kFirstWorkerSlot ? shm::kWorkers : slot - shm::kFirstWorkerSlot),
      own_ring_(loop, Callback::to<&Bells::call_listeners>(this)) {
  CHECK(fds_.size() <= shm::kWorkers);
  ring_everybody();
  if (own_ >= fds_.size()) return;
  // Each write is an edge, whatever the counter says, so it is never read; it will not overflow.
  watch_.emplace(loop, fds_[own_], event::IoWatch::Interest::read, Callback::to<&Bells::on_bell>(this));
  if (!watch_->start()) LOG(error, "cannot watch this worker's eventfd: events of others will come late");
  // A predecessor may have died before it looked. Nobody listens yet, so nothing is missed.
  segment_.layout().bells[own_].rung.store(0, std::memory_order_seq_cst);
}

// A process may be killed when its news is there, or even a flag is up, and nobody was rung: the one in its
// place does it.
void Bells::ring_everybody() const {
  for (const int fd : fds_) eventfd_write(fd, 1);
}

// The exchange comes after the news was stored, and the flag is cleared before the news is looked for, both
// in one order for all: either the worker sees the news or it is rung again.
void Bells::ring(const shm::WorkerSet& workers) {
  workers.each([this](uint32_t worker) {
    if (worker == own_) return own_ring_.schedule();
    if (worker >= fds_.size()) return;
    if (segment_.layout().bells[worker].rung.exchange(1, std::memory_order_seq_cst) != 0) return;
    ++system_calls_;
    eventfd_write(fds_[worker], 1);
  });
}

void Bells::on_bell() {
  segment_.layout().bells[own_].rung.store(0, std::memory_order_seq_cst);
  call_listeners();
}

void Bells::call_listeners() {
  const std::vector<Listener*> now = listeners_;
  for (Listener* listener : now) {
    if (std::find(listeners_.begin(), listeners_.end(), listener) != listeners_.end()) listener->run_();
  }
}

Bells::Listener::Listener(Bells& bells, Callback run) : bells_(bells), run_(run) {
  bells_.listeners_.push_back(this);
}

Bells::Listener::~Listener() { std::erase(bells_.listeners_, this); }

}  // namespace banyan::handler
