// Traffic of one rollout, drawn from a seeded generator and counted as workers count, under a driven clock.
#pragma once

#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "control/gate_windows.h"
#include "shm/processes.h"
#include "shm/rollout_statistics.h"
#include "support/manual_clock.h"

namespace banyan::control {

using namespace std::chrono_literals;

struct SideBehaviour {
  double error_rate = 0.05;
  double median = 0.020;  // seconds; log-normal
  double sigma = 1;
};

class Traffic {
 public:
  explicit Traffic(config::Gate gate, uint64_t seed = 1) : random_(seed) {
    rollout_.name = "content";
    rollout_.gate = gate;
    shm::announce_process(segment_, shm::worker_slot(0), 1, 1, clock_.wall());
    directory_.add(shm::Kind::rollout, "content").value();
    begin();
  }

  // A controller starts and knows nothing but when the percentage was moved.
  void begin_controller() {
    gates_ = std::make_unique<GateWindows>(segment_, directory_, clock_);
    gates_->adopt({rollout_});
    gates_->follow("content", moved_);
  }
  // Everything anew, as on another machine.
  void begin() {
    gates_.reset();
    moved_ = clock_.wall() + 1ms;
    begin_controller();
    clock_.advance(1ms);
    native_requests_ = 0;
    settle();
  }
  // The percentage is moved now.
  void move_to(double native_share) {
    share = native_share;
    moved_ = clock_.wall();
    gates_->follow("content", moved_);
  }
  // Until requests count.
  void settle() {
    clock_.advance(10s);
    gates_->sample();
  }

  // That time passes, with the requests that come in it.
  void pass(Millis time, double requests_per_second) {
    clock_.advance(time);
    std::poisson_distribution<int> arrivals(requests_per_second *
                                            std::chrono::duration<double>(time).count());
    for (int left = arrivals(random_); left > 0; --left) request();
    gates_->sample();
  }
  // Exactly so many requests at once.
  void send(int requests) {
    for (int i = 0; i < requests; ++i) request();
  }
  void count(shm::Side side, shm::Ending ending, Duration duration = 20ms) {
    statistics_.count(number_, side, ending, duration);
  }

  rollout::Judgement look() const { return gates_->look("content"); }
  GateWindows& gates() { return *gates_; }
  testing::ManualClock& clock() { return clock_; }
  config::Rollout& rollout() { return rollout_; }
  uint64_t native_requests() const { return native_requests_; }
  double uniform() { return uniform_(random_); }

  double share = 0.5;
  SideBehaviour legacy;
  SideBehaviour native;

 private:
  void request() {
    const bool to_native = uniform() < share;
    const SideBehaviour& side = to_native ? native : legacy;
    native_requests_ += to_native ? 1 : 0;
    const double seconds = side.median * std::exp(side.sigma * normal_(random_));
    count(to_native ? shm::Side::native : shm::Side::legacy,
          uniform() < side.error_rate ? shm::Ending::server_error : shm::Ending::answered,
          std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)));
  }

  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  std::uniform_real_distribution<double> uniform_;
  testing::ManualClock clock_;
  shm::Segment segment_ = shm::Segment::create().value();
  shm::Directory directory_{segment_};
  shm::RolloutStatistics statistics_{segment_, shm::worker_slot(0)};
  config::Rollout rollout_;
  const uint32_t number_ = 1;
  WallTime moved_{};
  uint64_t native_requests_ = 0;
  std::unique_ptr<GateWindows> gates_;
};

}  // namespace banyan::control
