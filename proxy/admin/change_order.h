// What the admin API says and shows about changes of the configuration: orders to the master, and what of
// them has not come to its end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"

namespace banyan::admin {

struct ChangeOrder {
  std::string who;  // "anna over unix socket (uid 0)"
  std::string why;
  Millis confirm_within{};  // go back unless confirmed within that time; 0: stay
  uint32_t number = 0;      // of a kept configuration: a rollback's
};

struct Standing {
  // The configuration that runs is to be confirmed.
  struct Unconfirmed {
    uint32_t number = 0;
    uint32_t fallback = 0;  // to which Banyan goes back; 0 if it is not kept, but only in memory
    TimePoint until{};      // of the steady clock, which all processes of the machine share
    std::string who;        // asked for it
  };
  // What runs is not what the files say: a kept configuration was loaded.
  struct RolledBack {
    uint32_t to = 0;
    std::string who;
    WallTime when{};
  };
  std::optional<Unconfirmed> unconfirmed;
  std::optional<RolledBack> rolled_back;
};

}  // namespace banyan::admin
