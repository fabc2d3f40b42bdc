#include "rollout/decide.h"

#include <algorithm>

#include "rollout/bucket.h"

namespace banyan::rollout {
namespace {

// Also for Phase::damaged and whatever else a state may say: a percentage that cannot be is the nearest one
// that can.
uint32_t percent_for(const Plan& plan, const State& state, const Facts& facts) {
  return std::min(facts.lua_percent.value_or(effective_percent(plan, state)), kBuckets);
}

Reason reason_of(KeySource source) {
  switch (source) {
    case KeySource::cookie:
      return Reason::cookie;
    case KeySource::header:
      return Reason::header;
    case KeySource::lua:
      return Reason::lua;
    case KeySource::none:
    case KeySource::client_ip:
      return Reason::hash;
  }
  return Reason::hash;
}

void choose_by_bucket(const Facts& facts, Decision& decision) {
  decision.bucket_used = true;
  decision.side = decision.bucket < decision.percent ? Side::native : Side::legacy;
  decision.reason = facts.lua_percent ? Reason::lua : reason_of(decision.key.source);
}

}  // namespace

Decision decide(const Plan& plan, const State& state, const Facts& facts) {
  Decision decision;
  decision.key = facts.lua_key.empty() ? facts.key : StickyKey{KeySource::lua, {}, facts.lua_key};
  decision.percent = percent_for(plan, state, facts);
  const bool keyless = decision.key.source == KeySource::none;
  decision.bucket = bucket_of(plan.seed, keyless ? key_text(facts.random).view() : decision.key.value);
  decision.assign = keyless && plan.assign_cookie;
  if (facts.forced) {
    decision.side = *facts.forced;
    decision.reason = Reason::forced;
    return decision;
  }
  if (facts.lua_side) {
    decision.side = *facts.lua_side;
    decision.reason = Reason::lua;
  } else {
    choose_by_bucket(facts, decision);
  }
  if (decision.side == Side::native && !facts.native_available) {
    decision.side = Side::legacy;
    decision.reason = Reason::health;
  }
  return decision;
}

KeyText key_text(uint64_t random) {
  constexpr char kDigits[] = "0123456789abcdef";
  KeyText text;
  for (int i = 0; i < 16; ++i) text.digits[i] = kDigits[random >> (60 - 4 * i) & 15];
  return text;
}

std::optional<Side> parse_side(std::string_view text) {
  const auto is = [text](std::string_view word) {
    return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  };
  if (is("legacy")) return Side::legacy;
  if (is("native")) return Side::native;
  return std::nullopt;
}

}  // namespace banyan::rollout
