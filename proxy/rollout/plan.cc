#include "rollout/plan.h"

#include <fmt/format.h>

#include "base/stable_hash.h"
#include "rollout/bucket.h"

namespace banyan::rollout {

Plan make_plan(const config::Rollout& rollout) {
  Plan plan;
  plan.name = rollout.name;
  plan.salt = rollout.salt.empty() ? rollout.name : rollout.salt;
  plan.seed = seed_of(plan.salt);
  plan.percent = rollout.percent;
  plan.sticky = rollout.sticky;
  plan.assign_cookie = rollout.assign_cookie;
  plan.cookie_name = "banyan_" + rollout.name;
  plan.fallback = rollout.fallback;
  plan.fallback_budget = rollout.fallback_budget;
  plan.close_rate = rollout.close_rate;
  if (plan.assign_cookie) {
    plan.sticky.push_back({config::ClientKey::Kind::cookie, plan.cookie_name});
  }
  if (rollout.force) {
    plan.force_header = rollout.force->header;
    plan.force_from = rollout.force->from;
  }
  return plan;
}

uint64_t bucket_recipe(const Plan& plan) {
  uint64_t recipe = plan.seed;
  for (const config::ClientKey& key : plan.sticky) recipe = stable_hash(key.text(), recipe);
  return recipe;
}

std::string assigned_cookie(const Plan& plan, std::string_view key, bool secure) {
  return fmt::format("{}={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{}", plan.cookie_name, key,
                     secure ? "; Secure" : "");
}

bool may_force(const Plan& plan, std::span<const uint8_t> peer) {
  return !plan.force_header.empty() && config::contains(plan.force_from, peer);
}

}  // namespace banyan::rollout
