#include "rollout/state.h"

namespace banyan::rollout {

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::file:
      return "file";
    case Phase::set:
      return "set";
    case Phase::aborted:
      return "aborted";
    case Phase::promoted:
      return "promoted";
    case Phase::damaged:
      return "damaged";
  }
  return "file";
}

}  // namespace banyan::rollout
