// The last configurations that were in effect: what was written, who wanted it, when, and what came of it.
//
//   state_dir/history/17.config:
//   {"number":17,"when":"…","how":"reload","who":"…","why":"…","state":"applied"}
//                                  config::written_part() of its sources, as bytes
//
// Secrets from files and the environment are not in there (literal ones are), and only the master's user can
// read it. What cannot be written is told and does no other harm; the master is the only writer.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "base/result.h"
#include "config/sources.h"
#include "process/change.h"
#include "process/private_folder.h"

namespace banyan::process {

class History {
 public:
  static constexpr size_t kMost = 20;

  // Reads what is there; what makes no sense is skipped, with a line in the log.
  explicit History(const std::string& state_dir);

  // Oldest first.
  const std::deque<KeptEntry>& entries() const { return entries_; }
  const KeptEntry* newest() const { return entries_.empty() ? nullptr : &entries_.back(); }
  const KeptEntry* find(uint32_t number) const;
  // The number of a first configuration: that of the newest entry if it has the same text, else a new one.
  uint32_t number_for(const config::Sources& written) const;
  // What was written. Errors: there is none of that number, it cannot be read, or it is damaged.
  Result<config::Sources> text(uint32_t number) const;

  // The newest from now on; the oldest beyond kMost go, but not the one that it falls back to.
  // REQUIRES: its number is greater than all others.
  Result<void> add(KeptEntry entry, const config::Sources& written);
  // What has become of those that were to be confirmed.
  Result<void> settle(KeptEntry::State state);

 private:
  Result<void> open();
  void load();
  void load_one(uint32_t number);
  void forget_oldest();

  std::string path_;
  std::optional<PrivateFolder> folder_;
  std::deque<KeptEntry> entries_;
  uint32_t last_number_ = 0;  // also of what was skipped
};

}  // namespace banyan::process
