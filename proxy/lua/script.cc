#include "lua/script.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "lua/outcome_reader.h"
#include "lua/source_scan.h"
#include "lua/vm.h"

namespace banyan::lua {
namespace {

using std::chrono::milliseconds;

constexpr auto kLoadTime = milliseconds(40);
constexpr auto kRestartTime = milliseconds(20);  // between two requests
constexpr uint64_t kLoadInstructions = 10'000'000;
constexpr auto kReportInterval = std::chrono::seconds(10);
// A passed limit strains by kStrain, a call without one relieves by 1.
constexpr int kStrain = 20;

bool is_limit(Failure failure) {
  return failure == Failure::wall || failure == Failure::instructions || failure == Failure::memory;
}

std::string check_literals(std::string_view name, std::string_view source, const KnownTargets& targets) {
  for (const TargetLiteral& literal : find_target_literals(source)) {
    std::string problem = unknown_target(targets, literal.name);
    if (!problem.empty()) return fmt::format("{}:{}: {}", name, literal.line, problem);
  }
  return {};
}

}  // namespace

std::string_view failure_name(Failure failure) {
  constexpr std::string_view kNames[kFailureCount] = {
      "ok", "runtime", "wall", "instructions", "memory", "bad_return", "unknown_target", "set_aside"};
  return kNames[static_cast<size_t>(failure)];
}

Script::Script(std::string_view name, std::string_view source, const Limits& limits, KnownTargets targets)
    : name_(name), source_(source), limits_(limits), targets_(std::move(targets)) {
  std::sort(targets_.begin(), targets_.end());
}

Script::~Script() = default;

Result<std::unique_ptr<Script>> Script::load(std::string_view name, std::string_view source,
                                             const Limits& limits, KnownTargets targets) {
  if (source.size() > kMaxSource) return proxy_error(fmt::format("{}: larger than 1 MiB", name));
  std::unique_ptr<Script> script(new Script(name, source, limits, std::move(targets)));
  if (script->start(kLoadTime) != Failure::none) return proxy_error(std::move(script->start_message_));
  std::string problem = check_literals(name, source, script->targets_);
  if (problem.empty()) problem = script->check_declared_targets();
  if (!problem.empty()) return proxy_error(std::move(problem));
  return script;
}

Failure Script::start(std::chrono::nanoseconds wall) {
  vm_ = std::make_unique<Vm>(name_, limits_);
  Failure failure = vm_->load(source_, wall, kLoadInstructions);
  if (failure != Failure::none) {
    start_message_ = vm_->message();
    vm_.reset();
  }
  return failure;
}

// M.targets: names the script puts together at run time, declared so that they can be checked.
std::string Script::check_declared_targets() const {
  lua_State* state = vm_->state();
  if (lua_isnil(state, Vm::kTargets)) return {};
  if (!lua_istable(state, Vm::kTargets)) return fmt::format("{}: targets must be a list of names", name_);
  std::string problem;
  lua_pushnil(state);
  while (problem.empty() && lua_next(state, Vm::kTargets)) {
    problem = lua_type(state, -1) == LUA_TSTRING ? unknown_target(targets_, text_at(state, -1))
                                                 : "targets must be a list of names";
    lua_pop(state, 1);
  }
  lua_settop(state, Vm::kTargets);
  return problem.empty() ? problem : fmt::format("{}: {}", name_, problem);
}

CallResult Script::route(const RequestView& request) {
  if (set_aside_) {
    ++stats_.calls[static_cast<size_t>(Failure::set_aside)];
    return {{}, Failure::set_aside, "set aside"};
  }
  TimePoint started = MonotonicClock::now();
  CallResult result = call(request, started);
  stats_.seconds += std::chrono::duration<double>(MonotonicClock::now() - started).count();
  ++stats_.calls[static_cast<size_t>(result.failure)];
  judge(result);
  return result;
}

CallResult Script::call(const RequestView& request, TimePoint started) {
  CallResult result;
  if (!vm_) {
    ++stats_.restarts;
    result.failure = start(kRestartTime);
    if (!result.ok()) {
      result.message = start_message_;
      return result;
    }
    started = MonotonicClock::now();
  }
  result.failure = vm_->call(request, started);
  if (result.ok()) {
    read_outcome(vm_->state(), Vm::kResult, name_, targets_, result);
  } else {
    result.message = vm_->message();
  }
  if (is_limit(result.failure)) {
    vm_.reset();
  } else {
    vm_->drop_result();
  }
  return result;
}

void Script::judge(const CallResult& result) {
  strain_ = is_limit(result.failure) ? strain_ + kStrain : std::max(0, strain_ - 1);
  if (result.ok()) {
    failures_in_a_row_ = 0;
    return;
  }
  ++failures_in_a_row_;
  report(result);
  if (failures_in_a_row_ < kFailuresInARow && strain_ < kFailuresInARow * kStrain) return;
  set_aside_ = true;
  vm_.reset();
  LOG(error,
      "{}: set aside after repeated failures, until the script is changed; routes are decided without it",
      name_);
}

void Script::report(const CallResult& result) {
  TimePoint now = MonotonicClock::now();
  if (now < next_report_) {
    ++unreported_;
    return;
  }
  if (unreported_ > 0) LOG(warn, "{}: {} more failed calls", name_, unreported_);
  LOG(warn, "{} ({})", result.message, failure_name(result.failure));
  unreported_ = 0;
  next_report_ = now + kReportInterval;
}

void Script::carry_over(const Script& previous) {
  for (size_t i = 0; i < kFailureCount; ++i) stats_.calls[i] += previous.stats_.calls[i];
  stats_.seconds += previous.stats_.seconds;
  stats_.restarts += previous.stats_.restarts;
  if (source_ != previous.source_ || limits_ != previous.limits_ || targets_ != previous.targets_) return;
  set_aside_ = previous.set_aside_;
  failures_in_a_row_ = previous.failures_in_a_row_;
  strain_ = previous.strain_;
  if (set_aside_) vm_.reset();
}

Stats Script::stats() const {
  Stats stats = stats_;
  stats.memory = vm_ ? vm_->memory() : 0;
  stats.set_aside = set_aside_;
  return stats;
}

}  // namespace banyan::lua
