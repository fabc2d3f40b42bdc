#include "control/rollout_book.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/log.h"
#include "control/replacement.h"
#include "control/texts.h"

namespace banyan::control {
namespace {

using rollout::Phase;

constexpr size_t kLongestText = 1024;

std::string state_path(const std::string& state_dir) { return state_dir + "/rollouts.json"; }

uint32_t effective(const LiveValue& value, const config::Rollout& rollout) {
  return value.live() ? value.percent : rollout.percent;
}

std::string difference(const LiveValue& value, const config::Rollout& rollout) {
  return fmt::format(
      "rollout {}: {}% is live ({} by {}, {}); the configuration says {}%; `banyanctl rollout reset {}`"
      " makes that count",
      rollout.name, percent_text(value.percent), rollout::phase_name(value.phase), value.who,
      time_text(value.changed), percent_text(rollout.percent), rollout.name);
}

// They stand in lines of the log and in the journal.
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

Result<void> check(const Order& order) {
  if (order.verb == Verb::set && order.percent > 10000) return client_error(422, "a percentage is 0 to 100");
  if (order.who.size() > kLongestText || order.why.size() > kLongestText) {
    return client_error(422, fmt::format("who and why have at most {} bytes", kLongestText));
  }
  for (const std::string* text : {&order.who, &order.why}) {
    if (std::any_of(text->begin(), text->end(), is_control)) {
      return client_error(422, "who and why have no control characters");
    }
  }
  return {};
}

// Live values that nobody can know any more.
bool is_lost(const StateFile& file) {
  return file.condition == StateFile::Condition::damaged ||
         file.condition == StateFile::Condition::unreadable;
}

LiveValue apply(const Order& order, uint64_t sequence, WallTime now) {
  LiveValue value{Phase::set, order.percent, sequence, now, order.who, order.why};
  switch (order.verb) {
    case Verb::set:
      break;
    case Verb::abort:
      value.phase = Phase::aborted;
      value.percent = 0;
      break;
    case Verb::promote:
      value.phase = Phase::promoted;
      value.percent = 10000;
      break;
    case Verb::reset:
      value.phase = Phase::file;
      value.percent = 0;
      break;
  }
  return value;
}

}  // namespace

std::unique_ptr<RolloutBook> RolloutBook::open(const std::string& state_dir, shm::Segment& segment,
                                               shm::Directory& directory, const Clock& clock) {
  std::unique_ptr<RolloutBook> book(new RolloutBook(state_dir, segment, directory, clock));
  StateFile file = read_state_file(book->path_);
  if (file.condition == StateFile::Condition::damaged || !file.damaged_rollouts.empty())
    book->take_damage(file);
  const bool known = file.condition == StateFile::Condition::good;
  book->values_ = std::move(file.values);
  const uint64_t acknowledged = known ? book->values_.sequence : std::numeric_limits<uint64_t>::max();
  if (Result<void> loaded = book->journal_.load(acknowledged); !loaded) {
    LOG(error, "the history of rollouts: {}", loaded.error().message);
  }
  for (const JournalEntry& entry : book->journal_.entries()) {
    book->values_.sequence = std::max(book->values_.sequence, entry.sequence);
  }
  discard_replacement(book->path_);
  return book;
}

RolloutBook::RolloutBook(const std::string& state_dir, shm::Segment& segment, shm::Directory& directory,
                         const Clock& clock)
    : path_(state_path(state_dir)),
      segment_(segment),
      directory_(directory),
      clock_(clock),
      journal_(state_dir + "/journal.jsonl") {}

// A live value that cannot be read might have been 0 because native was broken, so 0 is the only safe guess.
void RolloutBook::take_damage(const StateFile& file) {
  const std::string aside = path_ + ".damaged-" + time_text(clock_.wall());
  // A link, so that there is always a file that says "damaged" until a good one takes its place.
  const bool kept = link(path_.c_str(), aside.c_str()) == 0;
  all_damaged_ = is_lost(file);
  LOG(error, "{} is damaged: {}. {} at 0% legacy until set or reset. The file {}", path_,
      all_damaged_ ? file.damage : "what it says about some rollouts makes no sense",
      all_damaged_ ? "All rollouts begin" : "These begin",
      kept ? "is kept as " + aside : "could not be kept aside");
  damaged_ = file.damaged_rollouts;
  for (const std::string& name : damaged_) LOG(error, "rollout {}: its live value is damaged", name);
}

void RolloutBook::adopt(const std::vector<config::Rollout>& rollouts) {
  rollouts_.clear();
  for (const config::Rollout& rollout : rollouts) rollouts_.emplace(rollout.name, rollout);
  begin_damaged_at_zero();
  for (const auto& [name, rollout] : rollouts_) {
    const LiveValue value = live_value(name);
    publish(name, value);
    if (value.live() && value.percent != rollout.percent) LOG(notice, "{}", difference(value, rollout));
  }
}

void RolloutBook::begin_damaged_at_zero() {
  if (!all_damaged_ && damaged_.empty()) return;
  for (const auto& [name, rollout] : rollouts_) {
    if (all_damaged_) damaged_.push_back(name);
  }
  all_damaged_ = false;
  for (const std::string& name : damaged_) {
    LiveValue value{Phase::damaged, 0,        values_.sequence,
                    clock_.wall(),  "banyan", "the state file was damaged"};
    values_.rollouts.insert_or_assign(name, std::move(value));
  }
  damaged_.clear();
  Result<void> written = write_replacement(path_, state_text(values_));
  if (written) written = commit_replacement(path_);
  if (!written) LOG(error, "{}", written.error().message);
}

Result<RolloutView> RolloutBook::carry_out(const Order& order) {
  auto found = rollouts_.find(order.rollout);
  if (found == rollouts_.end())
    return client_error(404, fmt::format("there is no rollout {}", order.rollout));
  if (Result<void> checked = check(order); !checked) return std::move(checked).error();
  const config::Rollout& rollout = found->second;
  LiveValues next = values_;
  const LiveValue value = apply(order, ++next.sequence, clock_.wall());
  if (value.live()) {
    next.rollouts.insert_or_assign(order.rollout, value);
  } else {
    next.rollouts.erase(order.rollout);
  }
  const uint32_t before = effective(live_value(order.rollout), rollout);
  const JournalEntry entry{value.sequence, value.changed,
                           order.who,      order.why,
                           order.rollout,  std::string(verb_name(order.verb)),
                           before,         effective(value, rollout)};
  if (Result<void> written = write_down(next, entry); !written) {
    LOG(error, "rollout {}: {} refused: {}", order.rollout, entry.verb, written.error().message);
    return proxy_error("nothing was changed: " + written.error().message);
  }
  values_ = std::move(next);
  publish(order.rollout, value);
  LOG(notice, "rollout {}: {}, {}% to {}% by {}{}{}", order.rollout, entry.verb, percent_text(before),
      percent_text(entry.new_percent), order.who, order.why.empty() ? "" : ": ", order.why);
  return view(rollout);
}

Result<void> RolloutBook::write_down(const LiveValues& next, const JournalEntry& entry) {
  if (Result<void> written = write_replacement(path_, state_text(next)); !written) return written;
  if (Result<void> noted = journal_.append(entry); !noted) {
    discard_replacement(path_);
    return noted;
  }
  Result<void> committed = commit_replacement(path_);
  if (committed) return committed;
  journal_.take_back();
  // The rename may have happened while the folder could not be synced: say again what counts.
  Result<void> restored = write_replacement(path_, state_text(values_));
  if (restored) restored = commit_replacement(path_);
  if (!restored) LOG(error, "{}", restored.error().message);
  return committed;
}

void RolloutBook::publish(std::string_view name, const LiveValue& value) {
  const uint32_t number = directory_.find(shm::Kind::rollout, name);
  if (number == 0) {
    LOG(error, "rollout {} is not in the directory: workers go by the configuration", name);
    return;
  }
  rollout::State state;
  state.phase = value.phase;
  state.percent = value.percent;
  state.sequence = value.sequence;
  const auto changed = std::chrono::duration_cast<Millis>(value.changed.time_since_epoch());
  state.changed_at = static_cast<uint64_t>(changed.count());
  rollout::state_cell(segment_, number).write(state);
}

std::vector<RolloutView> RolloutBook::list() const {
  std::vector<RolloutView> views;
  for (const auto& [name, rollout] : rollouts_) views.push_back(view(rollout));
  return views;
}

std::optional<RolloutView> RolloutBook::find(std::string_view name) const {
  auto found = rollouts_.find(name);
  if (found == rollouts_.end()) return std::nullopt;
  return view(found->second);
}

std::vector<JournalEntry> RolloutBook::history(size_t limit, std::string_view rollout) const {
  std::vector<JournalEntry> found;
  const auto& entries = journal_.entries();
  for (auto it = entries.rbegin(); it != entries.rend() && found.size() < limit; ++it) {
    if (rollout.empty() || it->rollout == rollout) found.push_back(*it);
  }
  return found;
}

RolloutView RolloutBook::view(const config::Rollout& rollout) const {
  RolloutView view;
  view.name = rollout.name;
  view.legacy = rollout.legacy.text();
  view.native = rollout.native.text();
  view.salt = rollout.salt;
  for (const config::ClientKey& key : rollout.sticky) view.sticky.push_back(key.text());
  view.fallback = rollout.fallback;
  view.live = live_value(rollout.name);
  view.percent = effective(view.live, rollout);
  view.file_percent = rollout.percent;
  return view;
}

LiveValue RolloutBook::live_value(std::string_view name) const {
  auto found = values_.rollouts.find(name);
  return found == values_.rollouts.end() ? LiveValue() : found->second;
}

std::vector<std::string> live_differences(const std::string& state_dir,
                                          const std::vector<config::Rollout>& rollouts) {
  const StateFile file = read_state_file(state_path(state_dir));
  std::vector<std::string> lines;
  // Who only tests a configuration may not be allowed to read the state.
  if (file.condition == StateFile::Condition::unreadable) {
    lines.push_back(fmt::format("live percentages are not compared: {}", file.damage));
  }
  if (file.condition == StateFile::Condition::damaged) {
    lines.push_back(fmt::format("{} is damaged ({}): all rollouts would begin at 0% legacy",
                                state_path(state_dir), file.damage));
  }
  for (const config::Rollout& rollout : rollouts) {
    auto found = file.values.rollouts.find(rollout.name);
    if (found == file.values.rollouts.end() || found->second.percent == rollout.percent) continue;
    lines.push_back(difference(found->second, rollout));
  }
  return lines;
}

}  // namespace banyan::control
