// journal.jsonl: every order that was carried out, one JSON object a line, appended and synced.
//
//   {"sequence":17,"time":"2026-11-21T01:23:28.123Z","who":"anna","why":"looks good",
//    "rollout":"content","verb":"set","old":10,"new":37.25,"old_state":"file","new_state":"set"}
//
// What a schedule does by itself has "who":"schedule" and, where a gate was asked, its answer:
// "verdict":"fail","numbers":{"native_requests":512}. Lines of earlier versions have no states.
//
// A line is written before the state file is replaced. If the process dies between the two, the line's
// sequence is beyond the state's: the order was never acknowledged, and the line is taken off at the next
// start.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "rollout/transitions.h"

namespace banyan::control {

// The orders among the causes: set, step, pause, resume, abort, promote, reset.
using Verb = rollout::Cause;

struct VerbRow {
  Verb verb;
  std::string_view name;
  std::string_view summary;
  bool can_raise = false;  // and so may need force in a freeze
};
// All verbs there are: the admin API's and banyanctl's.
const std::vector<VerbRow>& verb_rows();
// The row of that name, or null.
const VerbRow* find_verb(std::string_view name);

struct JournalEntry {
  uint64_t sequence = 0;
  WallTime time{};
  std::string who;
  std::string why;
  std::string rollout;
  std::string verb;          // "set"
  uint32_t old_percent = 0;  // that counted before and after, hundredths of a percent
  uint32_t new_percent = 0;
  rollout::Phase old_phase = rollout::Phase::file;
  rollout::Phase new_phase = rollout::Phase::file;
  std::string verdict;  // empty: no gate was asked
  std::vector<std::pair<std::string, double>> numbers;
};

class Journal {
 public:
  // Entries kept in memory, and the size at which the file becomes journal.jsonl.1 and a new one begins.
  static constexpr size_t kRemembered = 1000;
  static constexpr size_t kLargestFile = 8 << 20;

  explicit Journal(std::string path) : path_(std::move(path)) {}

  // Reads what is there; takes off a torn last line and those whose sequence is beyond `acknowledged`. Lines
  // that make no sense are left where they are and skipped. A missing file is an empty journal.
  Result<void> load(uint64_t acknowledged);

  // Appends and syncs. After an error the file is as it was.
  Result<void> append(const JournalEntry& entry);
  // Takes off the last appended entry, whose order failed afterwards. REQUIRES: append() succeeded just
  // before.
  void take_back();

  // Oldest first.
  const std::deque<JournalEntry>& entries() const { return entries_; }

 private:
  void remember(JournalEntry entry);
  Result<void> rotate_if_large();

  std::string path_;
  std::deque<JournalEntry> entries_;
  size_t size_ = 0;         // of the file
  size_t size_before_ = 0;  // the last append
};

std::string journal_line(const JournalEntry& entry);
// False if the line is not one of ours.
bool parse_journal_line(std::string_view line, JournalEntry& entry);

}  // namespace banyan::control
