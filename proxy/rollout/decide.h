// Which side a request goes to. A pure function of plan, state and facts: the data path and `explain` call
// the same.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "rollout/plan.h"
#include "rollout/state.h"
#include "rollout/sticky.h"
#include "shm/labels.h"

namespace banyan::rollout {

using shm::Reason;
using shm::Side;

// What is known about one request. Texts must live as long as the decision is used.
struct Facts {
  StickyKey key;                        // find_sticky_key(plan.sticky, …)
  std::optional<Side> forced;           // by a header of a client that may_force()
  std::optional<Side> lua_side;         // never Side::none
  std::optional<uint32_t> lua_percent;  // hundredths of a percent, instead of the state's
  std::string_view lua_key;             // instead of the sticky key; empty: not given
  bool native_available = true;         // native.handler->available()
  uint64_t random = 0;                  // decides for a client without any key; new for each request
};

struct Decision {
  Side side = Side::legacy;
  Reason reason = Reason::hash;
  bool bucket_used = false;  // the side follows from bucket and percent
  uint32_t bucket = 0;       // 0 to 9999, known even when it was not used
  uint32_t percent = 0;      // that counted, hundredths of a percent
  StickyKey key;             // that gave the bucket
  // The client had no key and the plan wants it to get one: send assigned_cookie(plan,
  // key_text(facts.random).view(), …).
  bool assign = false;
};

// Strongest first: forced by a trusted client, Lua's side, Lua's percent and key, the sticky key. When native
// cannot answer, its share goes to legacy (Reason::health); only a forced request is left where it was sent,
// so that a tester sees native's own failure.
Decision decide(const Plan& plan, const State& state, const Facts& facts);

// The percentage that counts: the live one, else the plan's.
inline uint32_t effective_percent(const Plan& plan, const State& state) {
  return state.live() ? state.percent : plan.percent;
}

// The key of a client without one: 16 hexadecimal digits, so that the cookie made of it gives the same bucket
// again.
struct KeyText {
  std::array<char, 16> digits;
  std::string_view view() const { return {digits.data(), digits.size()}; }
};
KeyText key_text(uint64_t random);

// "native" and "legacy" in any case; nothing for other words.
std::optional<Side> parse_side(std::string_view text);

}  // namespace banyan::rollout
