// Rollouts and routes as a worker has them, for measuring decisions.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "rollout/request_keys.h"
#include "route/decide.h"
#include "shm/directory.h"
#include "shm/segment.h"

namespace banyan::bench {

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
inline rollout::Decision decide(const route::RolloutTarget& target, const Cookie& keys, uint64_t random) {
  rollout::Facts facts;
  facts.key = rollout::find_sticky_key(target.plan.sticky, keys);
  facts.native_available = target.native.handler->available();
  facts.random = random;
  return rollout::decide(target.plan, target.state->read(), facts);
}

}  // namespace banyan::bench
