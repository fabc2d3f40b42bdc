// Who changes the configuration, and the way back: reloads that are to be confirmed, the history, rollbacks.
//
//   reload, confirm within 5m ─▶ applied, unconfirmed ── confirm ─▶ stays
//                                       └── the time is over ─▶ back to the one before, from memory
//
// It lives in the master, which has every configuration and outlives all other processes. What is open is in
// the history as well, so that the next master goes on with it. An unconfirmed configuration stays that under
// further reloads, whoever asks for them: the way back leads to the last one that did not need to be
// confirmed, and only a confirmation or a rollback ends it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "event/timer.h"
#include "process/children.h"
#include "process/history.h"
#include "process/inheritance.h"
#include "process/reload.h"

namespace banyan::process {

class ChangeControl {
 public:
  // All outlive it.
  ChangeControl(event::Loop& loop, Inheritance& inheritance, Children& children, Reload& reload,
                History history, config::SourceRequest request);

  // All processes serve the first configuration.
  void begin(Change::How how);
  // Of the controller: ask_reload, ask_rollback, ask_confirm, ask_history or ask_kept. Answered later.
  void on_order(const Message& message);
  // From Reload::Observer: adds to the outcome what those who asked should know.
  void on_reload_done(Outcome& outcome, const Change& change);
  // While paused, no time runs out: another program may take over, or Banyan stops.
  void pause();
  void resume();

 private:
  // An unconfirmed configuration runs.
  struct Trial {
    config::Sources fallback;
    uint32_t fallback_number = 0;  // 0: not kept
    TimePoint until{};
    WallTime until_wall{};
    std::string who;
    bool going_back = false;
  };

  void roll_back(const admin::ChangeOrder& order, const Reload::Answer& answer);
  void confirm(const admin::ChangeOrder& order, const Reload::Answer& answer);
  void show_history(const Reload::Answer& answer) const;
  void show_kept(uint32_t number, uint64_t request, const Reload::Answer& answer) const;

  void resume_trial(const KeptEntry& newest);
  void begin_trial(const config::Sources& fallback, const Change& change);
  void end_trial(KeptEntry::State state, Outcome& outcome);
  void on_time_over();
  void start_timer();
  void keep(const Change& change, Outcome& outcome);
  void note_rollback(const Change& change, Outcome& outcome);
  std::string trial_text() const;
  bool files_differ() const;
  void tell();
  // Of the entry in the history, or of the generation if there is none.
  uint32_t number() const { return running_number_ != 0 ? running_number_ : running_->number; }

  event::Loop& loop_;
  Inheritance& inheritance_;
  Children& children_;
  Reload& reload_;
  History history_;
  config::SourceRequest request_;
  std::shared_ptr<const Configuration> running_;
  config::Sources written_;      // of running_
  uint32_t running_number_ = 0;  // of the entry with that text; 0: not kept
  std::optional<Trial> trial_;
  event::Timer timer_;
  bool paused_ = true;
};

}  // namespace banyan::process
