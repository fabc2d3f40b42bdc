// What rollouts cost on the request path, and the gate beside it:
//
//   cmake --build build --target banyan_bench && build/banyan_bench
//
// Decision: at most 200 ns. DecisionAmong and Routing: the cost with 1,000 rollouts and 10,000 routes stays
// that of one. Observation: a finished request, counted for its side.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <random>

#include "base/random.h"
#include "rollout/evidence.h"
#include "rollout/gate.h"
#include "route/decide.h"
#include "shm/directory.h"
#include "shm/processes.h"
#include "shm/rollout_statistics.h"

namespace banyan {
namespace {

using namespace std::chrono_literals;

class NoHandler final : public handler::Handler {
 public:
  std::unique_ptr<handler::Session> open(handler::Call&) override { return nullptr; }
};

// `rollouts` rollouts and as many routes as asked for, each to one of them.
class House final : public route::TargetBook {
 public:
  House(uint32_t rollouts, uint32_t routes) {
    for (uint32_t i = 1; i <= rollouts; ++i) add_rollout(i);
    std::vector<std::unique_ptr<route::Route>> made;
    for (uint32_t i = 0; i < routes; ++i) {
      config::Route rules;
      rules.name = fmt::format("r{}", i);
      rules.path = {config::PathMatch::Kind::exact, fmt::format("/path/{}", i)};
      rules.target = config::Target{config::Target::Kind::rollout, fmt::format("x{}", i % rollouts + 1)};
      made.push_back(route::Route::make(rules, i % 16000 + 1, *this).value());
    }
    router = std::make_unique<route::Router>(std::move(made));
  }

  const route::Target* find_target(std::string_view name) const override {
    auto found = targets_.find(std::string(name));
    return found == targets_.end() ? nullptr : &found->second->target;
  }

  shm::Segment segment = shm::Segment::create().value();
  std::vector<const route::RolloutTarget*> rollouts;
  std::unique_ptr<route::Router> router;

 private:
  struct Holder {
    route::RolloutTarget rollout;
    route::Target target;
  };

  void add_rollout(uint32_t number) {
    config::Rollout rollout;
    rollout.name = fmt::format("x{}", number);
    rollout.salt = rollout.name;
    rollout.percent = 1000;
    rollout.sticky = {config::ClientKey{config::ClientKey::Kind::cookie, "uid"}};
    auto holder = std::make_unique<Holder>();
    holder->rollout.plan = rollout::make_plan(rollout);
    holder->rollout.number = number;
    holder->rollout.state = &rollout::state_cell(segment, number);
    holder->rollout.legacy = {"upstream.node", &handler_};
    holder->rollout.native = {"handler.content", &handler_};
    holder->target.rollout = &holder->rollout;
    rollouts.push_back(&holder->rollout);
    targets_["rollout." + rollout.name] = std::move(holder);
  }

  NoHandler handler_;
  std::unordered_map<std::string, std::unique_ptr<Holder>> targets_;
};

class Cookie final : public rollout::KeyReader {
 public:
  std::string_view cookie(std::string_view name) const override {
    return rollout::find_cookie("theme=dark; session=9f8e7d6c5b4a39281706f5e4d3c2b1a0; uid=4711081511", name);
  }
  std::string_view header(std::string_view) const override { return {}; }
  std::string_view client_ip() const override { return "192.0.2.17"; }
};

// The sticky key, the live percentage from shared memory, the bucket, the side.
rollout::Decision decide(const route::RolloutTarget& target, const Cookie& keys, uint64_t random) {
  rollout::Facts facts;
  facts.key = rollout::find_sticky_key(target.plan.sticky, keys);
  facts.native_available = target.native.handler->available();
  facts.random = random;
  return rollout::decide(target.plan, target.state->read(), facts);
}

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
}  // namespace banyan
