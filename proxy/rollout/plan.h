// What a configuration says about one rollout, ready for deciding. Immutable; lives with its configuration.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "config/schema.h"

namespace banyan::rollout {

struct Plan {
  std::string name;
  std::string salt;
  uint64_t seed = 0;                      // seed_of(salt)
  uint32_t percent = 0;                   // start value, hundredths of a percent
  std::vector<config::ClientKey> sticky;  // in order; with assign_cookie, cookie_name comes last
  bool assign_cookie = false;
  std::string cookie_name;  // of the cookie we set: "banyan_NAME"
  bool fallback = true;
  uint32_t fallback_budget = 2000;  // hundredths of a percent of the requests
  config::Rate close_rate;          // of long-lived connections that a change has moved; count 0: never
  std::string force_header;         // empty: nobody may force a side
  std::vector<config::Cidr> force_from;
};

Plan make_plan(const config::Rollout& rollout);

// Stands for how the plan makes a bucket of a request: two plans with the same recipe give every client the
// same bucket.
uint64_t bucket_recipe(const Plan& plan);

// The cookie that keeps the bucket of a client without any key: a Set-Cookie value for
// Decision::assigned_key. `secure` when the client came over TLS. One year, for the whole site, not readable
// by scripts.
std::string assigned_cookie(const Plan& plan, std::string_view key, bool secure);

// True if a client at that address (network order; empty for a unix socket) may force a side.
bool may_force(const Plan& plan, std::span<const uint8_t> peer);

}  // namespace banyan::rollout
