// Why the configuration changes, who wants it, and how that is written: in messages between master and
// controller and in the history, each as one line of JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "admin/change_order.h"
#include "base/clock.h"

namespace banyan::process {

struct Change {
  enum class How {
    start,
    upgrade,       // the start of a program that took over
    reload,        // the files, read again
    certificates,  // the same texts with the certificates of now
    rollback,      // a kept one, by order
    went_back,     // because a reload was not confirmed
  };
  How how = How::reload;
  std::string who;
  std::string why;
  Millis confirm_within{};  // 0: nothing is to be confirmed
  uint32_t back_to = 0;     // rollback and went_back: the number of the kept one
};

// One of the configurations that were in effect.
struct KeptEntry {
  enum class State {
    applied,
    unconfirmed,
    confirmed,
    reverted,  // left without having been confirmed
  };
  uint32_t number = 0;  // of the generation it was first
  WallTime when{};
  Change::How how = Change::How::start;
  std::string who;
  std::string why;
  uint32_t back_to = 0;
  State state = State::applied;
  // Of an unconfirmed one: when Banyan goes back, and to which.
  WallTime until{};
  uint32_t fallback = 0;
};

std::string entry_text(const KeptEntry& entry, bool running);
// False if the line is not one of ours.
bool parse_entry(std::string_view line, KeptEntry& entry);

std::string order_text(const admin::ChangeOrder& order);
// What is missing or of another type is left as it is.
admin::ChangeOrder parse_order(std::string_view text);

std::string standing_text(const admin::Standing& standing);
admin::Standing parse_standing(std::string_view text);

}  // namespace banyan::process
