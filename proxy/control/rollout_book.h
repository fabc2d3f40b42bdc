// The live side of all rollouts: kept in a file, given to the workers through shared memory, changed by
// orders.
//
//   order ─▶ rollouts.json.new ─▶ journal.jsonl ─▶ rename ─▶ cell in shared memory ─▶ answer
//            └──────── each synced to the disk ────────┘
//
// An order that is answered with success survives the death of every process and of the machine; one that
// fails on the way (disk full, no permission) has changed nothing. The controller owns the only book and is
// the only writer of the cells. It writes on its own loop: it serves nothing but the admin API, where waiting
// for the disk is the point.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/schema.h"
#include "control/journal.h"
#include "control/state_file.h"
#include "rollout/gate.h"
#include "shm/directory.h"
#include "shm/segment.h"

namespace banyan::control {

struct Order {
  std::string rollout;
  Verb verb = Verb::set;
  uint32_t percent = 0;  // for Verb::set, hundredths of a percent
  std::string who;       // "anna over the unix socket"; never empty
  std::string why;       // may be empty
  bool force = false;    // raises also in a freeze
};

// A rollout as it stands.
struct RolloutView {
  std::string name;
  std::string legacy;  // "upstream.node"
  std::string native;
  std::string salt;
  std::vector<std::string> sticky;  // "cookie:uid"
  bool fallback = true;
  uint32_t percent = 0;       // that counts, hundredths of a percent
  uint32_t file_percent = 0;  // that the configuration says
  LiveValue live;             // Phase::file: none, the configuration's counts
  size_t steps = 0;           // of the schedule
  bool gated = false;
  bool judged = false;  // in its present state
  rollout::Outlook outlook;
  std::optional<rollout::Judgement> judgement;  // of the last second; none before the first
  rollout::Phase phase() const { return live.phase(); }
};

class RolloutBook {
 public:
  // Reads state_dir, which must exist. Whatever is wrong there is logged, never fatal: without a readable
  // state file all rollouts begin at 0% legacy and the file is kept aside; without permission to write,
  // orders are refused. Segment, directory and clock must outlive the book.
  static std::unique_ptr<RolloutBook> open(const std::string& state_dir, shm::Segment& segment,
                                           shm::Directory& directory, const Clock& clock);

  // From now on these are the configuration's rollouts (at start, and at the COMMIT of a reload). Their live
  // values are published; a live value that differs from the configuration's percent is logged. REQUIRES: the
  // master has put their names into the directory.
  void adopt(const std::vector<config::Rollout>& rollouts);

  // Carries out an order: when this returns a view, the change is durable and every worker sees it with its
  // next request. Errors: 404 unknown rollout, 409 the schedule or a freeze does not allow it, 422 a
  // percentage above 100 or a reason that is too long, 500 it cannot be written down; nothing has changed
  // then.
  Result<RolloutView> carry_out(const Order& order);

  // For the driver. REQUIRES: the rollout is configured.
  std::vector<std::string> names() const;
  const config::Rollout* configured(std::string_view name) const;  // null if it is not
  rollout::Progress progress(std::string_view name) const;
  // Writes down what came by itself and publishes it. What cannot be written is not done, but for a lower
  // percentage: traffic leaves native at once, and the entry is owed to the disk until pay() succeeds.
  void keep(const std::string& name, const rollout::Turn& turn, const rollout::Judgement* judgement);
  // What the gate said last, for people.
  void note(const std::string& name, rollout::Judgement judgement);
  bool owes(std::string_view name) const { return owed_.contains(name); }
  bool pay(const std::string& name);

  // The configuration's rollouts, by name.
  std::vector<RolloutView> list() const;
  std::optional<RolloutView> find(std::string_view name) const;

  // The newest entries first, at most `limit`; only of one rollout unless `rollout` is empty.
  std::vector<JournalEntry> history(size_t limit, std::string_view rollout = {}) const;

 private:
  RolloutBook(const std::string& state_dir, shm::Segment& segment, shm::Directory& directory,
              const Clock& clock);

  // A change on its way to the disk.
  struct Draft {
    LiveValue value;
    JournalEntry entry;
    bool noted = true;  // in the journal; else only in the state file
  };

  void take_damage(const StateFile& file);
  void begin_damaged_at_zero();
  Draft draft(const config::Rollout& rollout, const rollout::Progress& next, Verb cause) const;
  Result<void> settle(const std::string& name, Draft& draft);
  Result<void> write_down(const LiveValues& next, const Draft& draft);
  void publish(std::string_view name, const LiveValue& value);
  RolloutView view(const config::Rollout& rollout) const;
  LiveValue live_value(std::string_view name) const;

  const std::string path_;
  shm::Segment& segment_;
  shm::Directory& directory_;
  const Clock& clock_;
  Journal journal_;
  LiveValues values_;
  bool all_damaged_ = false;          // the next rollouts to be adopted may have lost a live value
  std::vector<std::string> damaged_;  // these have
  std::map<std::string, config::Rollout, std::less<>> rollouts_;
  std::map<std::string, Draft, std::less<>> owed_;
  std::map<std::string, rollout::Judgement, std::less<>> judgements_;
  WallTime adopted_{};       // since when the configuration's own values count
  bool complained_ = false;  // about a disk that does not take what comes by itself
};

// "rollout content: live 37.25% since …, the configuration says 20%": for each rollout whose live value
// differs from the configuration's. Reads the state file and changes nothing: for `-t` and reload. Empty if
// there is no file.
std::vector<std::string> live_differences(const std::string& state_dir,
                                          const std::vector<config::Rollout>& rollouts);

}  // namespace banyan::control
