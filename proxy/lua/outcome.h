// What a routing script decided about one request, and how a call can fail.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banyan::lua {

// Limits of one call. The memory limit is that of the script's whole state, kept between calls.
struct Limits {
  std::chrono::nanoseconds wall = std::chrono::milliseconds(10);
  uint64_t instructions = 1'000'000;
  size_t memory = size_t{16} << 20;  // bytes; a state without a script needs about 64 KiB
  bool operator==(const Limits&) const = default;
};

enum class Side { legacy, native };

// The fields a script returned, checked. With all of them absent the static decision stands.
struct Outcome {
  std::optional<std::string> target;  // one of the known targets
  std::optional<Side> side;           // of the route's rollout; stronger than percent
  std::optional<double> percent;      // 0 to 100, instead of the rollout's own
  std::optional<std::string> key;     // the sticky key, instead of the configured ones; not empty
  std::optional<std::string> reason;  // for logs and explain; printable, at most 128 bytes
  std::vector<std::pair<std::string, std::string>> set_headers;  // legal fields, sorted by name
  std::optional<int> status;        // 200 to 599: answer now; excludes target, side, percent and key
  std::optional<std::string> body;  // only together with status

  bool none() const {
    return !target && !side && !percent && !key && !reason && !status && !body && set_headers.empty();
  }
  bool operator==(const Outcome&) const = default;
};

// Why a call gave no outcome. The names are the label values of banyan_lua_calls_total{result}.
enum class Failure {
  none,            // "ok"
  runtime,         // "runtime": an error the script raised or ran into
  wall,            // "wall"
  instructions,    // "instructions"
  memory,          // "memory"
  bad_return,      // "bad_return": a field of the wrong type or value
  unknown_target,  // "unknown_target"
  set_aside,       // "set_aside": not called, it failed too often
};
inline constexpr size_t kFailureCount = 8;

std::string_view failure_name(Failure failure);

// The answer of one call. After a failure the outcome is empty: the static decision stands.
struct CallResult {
  Outcome outcome;
  Failure failure = Failure::none;
  std::string message;  // "routes.lua:7: attempt to …"; empty without failure
  bool ok() const { return failure == Failure::none; }
};

}  // namespace banyan::lua
