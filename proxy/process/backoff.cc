#include "process/backoff.h"

#include <algorithm>

namespace banyan::process {

Duration Backoff::on_death(TimePoint now) {
  // The pauses themselves must not make a place look quiet.
  if (!deaths_.empty() && now - deaths_.back() > kWindow + pause_) {
    deaths_.clear();
    pause_ = Duration::zero();
  }
  deaths_.push_back(now);
  if (deaths_.size() > kDeaths) deaths_.pop_front();
  if (slowed()) {
    pause_ = std::min(pause_ * 2, kLongest);
  } else if (deaths_.size() == kDeaths && now - deaths_.front() <= kWindow) {
    pause_ = kFirst;
  }
  return pause_;
}

}  // namespace banyan::process
