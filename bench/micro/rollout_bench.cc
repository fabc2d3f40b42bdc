// What rollouts cost on the request path, and the gate beside it.
//
// Decision: at most 200 ns. DecisionAmong and Routing: the cost with 1,000 rollouts and 10,000 routes stays
// that of one. Observation: a finished request, counted for its side.
#include <benchmark/benchmark.h>

#include <random>

#include "base/random.h"
#include "micro/house.h"
#include "rollout/evidence.h"
#include "rollout/gate.h"
#include "shm/processes.h"
#include "shm/rollout_statistics.h"

namespace banyan::bench {
namespace {

using namespace std::chrono_literals;

void Decision(benchmark::State& state) {
  House house(1, 1);
  Cookie keys;
  for (auto _ : state) benchmark::DoNotOptimize(decide(*house.rollouts[0], keys, 1));
}
BENCHMARK(Decision);

void DecisionAmong(benchmark::State& state) {
  House house(static_cast<uint32_t>(state.range(0)), 1);
  Cookie keys;
  Random random;
  for (auto _ : state) {
    const uint64_t number = random.next();
    benchmark::DoNotOptimize(decide(*house.rollouts[number % house.rollouts.size()], keys, number));
  }
}
BENCHMARK(DecisionAmong)->Arg(1)->Arg(1000);

// A whole decision for a request: route, rollout, side.
void Routing(benchmark::State& state) {
  House house(static_cast<uint32_t>(state.range(0)), static_cast<uint32_t>(state.range(1)));
  http::RequestHead head;
  head.host = "api.example.org";
  head.path = "/path/0";
  head.fields.add("Cookie", "theme=dark; uid=4711081511");
  handler::Client client{.ip = "192.0.2.17"};
  const std::array<uint8_t, 4> peer = {192, 0, 2, 17};
  for (auto _ : state) {
    benchmark::DoNotOptimize(route::decide(*house.router, house, nullptr, {head, client, peer, 1}));
  }
}
BENCHMARK(Routing)->Args({1, 1})->Args({1000, 10000});

void Observation(benchmark::State& state) {
  shm::Segment segment = shm::Segment::create().value();
  shm::RolloutStatistics statistics(segment, shm::worker_slot(0));
  Duration duration = 1ms;
  for (auto _ : state) {
    statistics.count(1, shm::Side::native, shm::Ending::answered, duration);
    duration += 997ns;
  }
}
BENCHMARK(Observation);

shm::RolloutTotals some_traffic(uint64_t requests) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> seconds(-4, 1);
  shm::RolloutTotals totals;
  for (uint64_t i = 0; i < requests; ++i) {
    shm::SideTotals& side = i % 10 == 0 ? totals.native : totals.legacy;
    ++side.endings[random() % 100 == 0 ? 1 : 0];
    const auto time = std::chrono::duration<double>(seconds(random));
    ++side.latencies[shm::latency_bucket(std::chrono::duration_cast<Duration>(time))];
  }
  return totals;
}

// Once a second for each rollout with traffic, in the controller: a second's requests taken in …
void GateTakesIn(benchmark::State& state) {
  const shm::RolloutTotals second = some_traffic(static_cast<uint64_t>(state.range(0)));
  rollout::Evidence evidence(10min);
  Millis elapsed = 0ms;
  for (auto _ : state) evidence.add(second, elapsed += 1s);
}
BENCHMARK(GateTakesIn)->Arg(100)->Arg(10'000)->Arg(100'000);

// … and judged.
void GateJudges(benchmark::State& state) {
  const shm::RolloutTotals window = some_traffic(100'000);
  config::Gate gate;
  gate.p50_ratio = gate.p99_ratio = 1.2;
  rollout::Evidence evidence(10min);
  for (int i = 0; i < 2000; ++i) evidence.add(some_traffic(100), Millis(1min) * i);
  for (auto _ : state) benchmark::DoNotOptimize(rollout::judge(gate, 3, window, evidence));
}
BENCHMARK(GateJudges);

void StatisticsOfAllRollouts(benchmark::State& state) {
  shm::Segment segment = shm::Segment::create().value();
  for (uint32_t worker = 0; worker < 8; ++worker) {
    shm::announce_process(segment, shm::worker_slot(worker), 1, 1, WallTime{});
    shm::RolloutStatistics statistics(segment, shm::worker_slot(worker));
    for (uint32_t rollout = 1; rollout <= 1000; ++rollout) {
      statistics.count(rollout, shm::Side::native, shm::Ending::answered, 1ms);
    }
  }
  for (auto _ : state) {
    for (uint32_t rollout = 1; rollout <= 1000; ++rollout) {
      benchmark::DoNotOptimize(shm::total_statistics(segment, rollout));
    }
  }
}
BENCHMARK(StatisticsOfAllRollouts)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace banyan::bench
