// What a gate says about native.
#pragma once

#include <cstdint>
#include <string_view>

namespace banyan::rollout {

// hold: not enough data to say one or the other.
enum class Verdict : uint8_t { pass, hold, fail };

// "pass", "hold", "fail".
constexpr std::string_view verdict_name(Verdict verdict) {
  constexpr std::string_view kNames[] = {"pass", "hold", "fail"};
  return kNames[static_cast<size_t>(verdict)];
}

}  // namespace banyan::rollout
