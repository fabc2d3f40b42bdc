// A routing script (SPEC: Lua routing rules): compiled once, called for every request, never able to hold a
// worker or to fail a request.
//
//   load ──▶ route() ── outcome, or a failure: then the static decision stands
//                 └─ a limit was passed: the state is dropped and built again from the source at the next
//                 call └─ too many failures: set aside, route() answers at once, until a Script is made of
//                 other source
//
// One Script per worker and configuration. Loop thread only.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "lua/outcome.h"
#include "lua/request_view.h"

namespace banyan::lua {

// Names of the targets of the configuration: "upstream.node", "handler.content", "rollout.content".
using KnownTargets = std::vector<std::string>;

struct Stats {
  std::array<uint64_t, kFailureCount> calls{};  // by result, see Failure
  double seconds = 0;                           // time spent in calls, restarts included
  uint64_t restarts = 0;                        // states built again after a limit was passed
  size_t memory = 0;                            // bytes held now
  bool set_aside = false;
};

// What running a script's own M.tests gave.
struct TestReport {
  struct Case {
    std::string name;     // its `name`, or "tests[3]"
    std::string message;  // empty if it passed
  };
  std::vector<Case> cases;

  size_t failed() const;
};

class Vm;

class Script {
 public:
  // This many failures in a row set a script aside. So do as many passed limits of which each comes before
  // twenty calls without one have made up for the last: a script that is slow for some requests holds the
  // worker as well.
  static constexpr int kFailuresInARow = 5;
  static constexpr size_t kMaxSource = 1 << 20;  // bytes

  // Compiles and runs `source`. `name` is what messages call it ("routes.lua"). The error's message begins
  // with the place: "routes.lua:7: …"; a target name that is wrong for sure is one too. Takes at most 40 ms,
  // unless the script was made to break compilers, which is refused too late: workers are only given what the
  // master has loaded before.
  static Result<std::unique_ptr<Script>> load(std::string_view name, std::string_view source,
                                              const Limits& limits, KnownTargets targets);
  ~Script();
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

  // Calls route(request). Logs failures (not each of many) and counts them.
  CallResult route(const RequestView& request);

  // Runs M.tests in a state of its own: this one and its counters stay as they are. Empty if there are none.
  TestReport run_tests() const;

  // Goes on with the counters of the script this one replaces; and if nothing has changed, it stays set
  // aside.
  void carry_over(const Script& previous);

  Stats stats() const;
  bool is_set_aside() const { return set_aside_; }
  const std::string& name() const { return name_; }

 private:
  Script(std::string_view name, std::string_view source, const Limits& limits, KnownTargets targets);
  Failure start(std::chrono::nanoseconds wall);
  CallResult call(const RequestView& request, TimePoint started);
  void judge(const CallResult& result);
  void report(const CallResult& result);
  std::string check_declared_targets() const;

  std::string name_;
  std::string source_;
  Limits limits_;
  KnownTargets targets_;       // sorted
  std::unique_ptr<Vm> vm_;     // null after a limit was passed
  std::string start_message_;  // why start() failed
  Stats stats_;
  bool set_aside_ = false;
  int failures_in_a_row_ = 0;
  int strain_ = 0;
  TimePoint next_report_{};
  uint64_t unreported_ = 0;
};

}  // namespace banyan::lua
