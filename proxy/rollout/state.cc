#include "rollout/state.h"

#include <algorithm>
#include <array>

namespace banyan::rollout {
namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, kPhases> kNames = {"file",    "set",     "aborted", "promoted",
                                                          "damaged", "waiting", "holding", "advancing",
                                                          "paused",  "soaking", "done",    "rolled_back"};

}  // namespace

std::string_view phase_name(Phase phase) { return kNames[static_cast<size_t>(phase)]; }

std::optional<Phase> parse_phase(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Phase>(found - kNames.begin());
}

}  // namespace banyan::rollout
