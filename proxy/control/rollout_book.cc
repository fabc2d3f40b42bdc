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
  return value.live() ? value.progress.percent : rollout.percent;
}

// Worth a word: an order, a rollback or a damage stands against the configuration. A schedule that does what
// it should does not.
bool differs(const LiveValue& value, const config::Rollout& rollout) {
  const Phase phase = value.phase();
  const bool on_schedule = phase == Phase::waiting || phase == Phase::holding || phase == Phase::advancing ||
                           phase == Phase::soaking || phase == Phase::done;
  return value.live() && value.progress.percent != rollout.percent && (!on_schedule || rollout.steps.empty());
}

std::string difference(const LiveValue& value, const config::Rollout& rollout) {
  return fmt::format(
      "rollout {}: {}% is live ({} by {}, {}); the configuration says {}%; `banyanctl rollout reset {}`"
      " makes that count",
      rollout.name, percent_text(value.progress.percent), rollout::phase_name(value.phase()), value.who,
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

// What a verdict rests on, for the journal.
std::vector<std::pair<std::string, double>> numbers_of(const rollout::Judgement& judgement) {
  std::vector<std::pair<std::string, double>> numbers;
  const auto add = [&](const char* side, const rollout::SideNumbers& of) {
    numbers.emplace_back(fmt::format("{}_requests", side), of.requests);
    numbers.emplace_back(fmt::format("{}_errors", side), of.errors);
    numbers.emplace_back(fmt::format("{}_p50", side), of.p50);
    numbers.emplace_back(fmt::format("{}_p99", side), of.p99);
  };
  add("legacy", judgement.legacy);
  add("native", judgement.native);
  for (const rollout::CheckResult& check : judgement.checks) {
    numbers.emplace_back(fmt::format("{}_excess", rollout::check_name(check.check)), check.excess);
    numbers.emplace_back(fmt::format("{}_limit", rollout::check_name(check.check)), check.limit);
    numbers.emplace_back(fmt::format("{}_chance", rollout::check_name(check.check)), check.chance);
  }
  return numbers;
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
  adopted_ = clock_.wall();
  for (const config::Rollout& rollout : rollouts) rollouts_.emplace(rollout.name, rollout);
  begin_damaged_at_zero();
  for (const auto& [name, rollout] : rollouts_) {
    const LiveValue value = live_value(name);
    publish(name, value);
    if (differs(value, rollout)) LOG(notice, "{}", difference(value, rollout));
  }
}

void RolloutBook::begin_damaged_at_zero() {
  if (!all_damaged_ && damaged_.empty()) return;
  for (const auto& [name, rollout] : rollouts_) {
    if (all_damaged_) damaged_.push_back(name);
  }
  all_damaged_ = false;
  for (const std::string& name : damaged_) {
    LiveValue value{{}, values_.sequence, clock_.wall(), "banyan", "the state file was damaged"};
    value.progress.phase = Phase::damaged;
    value.progress.since = value.progress.hold_since = value.progress.moved = value.changed;
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
  const rollout::Command command{order.verb, order.percent, order.force};
  Result<rollout::Progress> next =
      rollout::carry_out(rollout, progress(order.rollout), command, clock_.wall());
  if (!next) return std::move(next).error();
  Draft made = draft(rollout, *next, order.verb);
  made.value.who = made.entry.who = order.who;
  made.value.why = made.entry.why = order.why;
  if (Result<void> written = settle(order.rollout, made); !written) {
    LOG(error, "rollout {}: {} refused: {}", order.rollout, made.entry.verb, written.error().message);
    return proxy_error("nothing was changed: " + written.error().message);
  }
  return view(rollout);
}

RolloutBook::Draft RolloutBook::draft(const config::Rollout& rollout, const rollout::Progress& next,
                                      Verb cause) const {
  const rollout::Progress before = progress(rollout.name);
  Draft draft;
  draft.value = {next, 0, clock_.wall(), {}, {}};
  draft.entry.time = draft.value.changed;
  draft.entry.rollout = rollout.name;
  draft.entry.verb = rollout::cause_name(cause);
  draft.entry.old_percent = before.percent;
  draft.entry.new_percent = next.percent;
  draft.entry.old_phase = before.phase;
  draft.entry.new_phase = next.phase;
  return draft;
}

void RolloutBook::keep(const std::string& name, const rollout::Turn& turn,
                       const rollout::Judgement* judgement) {
  const config::Rollout& rollout = *configured(name);
  const LiveValue before = live_value(name);
  Draft made = draft(rollout, turn.progress, turn.cause.value_or(Verb::set));
  made.noted = turn.cause.has_value();
  made.value.who = made.entry.who = "schedule";
  if (!made.noted) {
    // Who changed it last has not changed.
    made.value.changed = before.changed;
    made.value.who = before.who;
    made.value.why = before.why;
  } else if (judgement) {
    made.entry.verdict = rollout::verdict_name(judgement->verdict);
    made.entry.numbers = numbers_of(*judgement);
    made.value.why = made.entry.why = judgement->reason;
  }
  Result<void> written = settle(name, made);
  if (written) return;
  if (!complained_) LOG(error, "rollout {}: {} waits: {}", name, made.entry.verb, written.error().message);
  complained_ = true;
  if (made.entry.new_percent >= made.entry.old_percent) return;
  owed_.insert_or_assign(name, std::move(made));
  publish(name, live_value(name));
}

void RolloutBook::note(const std::string& name, rollout::Judgement judgement) {
  judgements_.insert_or_assign(name, std::move(judgement));
}

bool RolloutBook::pay(const std::string& name) {
  Draft draft = owed_.find(name)->second;
  return settle(name, draft).ok();
}

// Writes a draft down, gives it its number and makes it count.
Result<void> RolloutBook::settle(const std::string& name, Draft& draft) {
  LiveValues next = values_;
  draft.value.sequence = live_value(name).sequence;
  if (draft.noted) draft.value.sequence = draft.entry.sequence = ++next.sequence;
  if (draft.value.live()) {
    next.rollouts.insert_or_assign(name, draft.value);
  } else {
    next.rollouts.erase(name);
  }
  if (Result<void> written = write_down(next, draft); !written) return written;
  complained_ = false;
  values_ = std::move(next);
  owed_.erase(name);
  publish(name, draft.value);
  const JournalEntry& entry = draft.entry;
  if (draft.noted) {
    LOG(notice, "rollout {}: {}, {}% to {}%, {} by {}{}{}", name, entry.verb, percent_text(entry.old_percent),
        percent_text(entry.new_percent), rollout::phase_name(entry.new_phase), entry.who,
        entry.why.empty() ? "" : ": ", entry.why);
  }
  return {};
}

Result<void> RolloutBook::write_down(const LiveValues& next, const Draft& draft) {
  if (Result<void> written = write_replacement(path_, state_text(next)); !written) return written;
  if (draft.noted) {
    if (Result<void> noted = journal_.append(draft.entry); !noted) {
      discard_replacement(path_);
      return noted;
    }
  }
  Result<void> committed = commit_replacement(path_);
  if (committed) return committed;
  if (draft.noted) journal_.take_back();
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
  state.phase = value.phase();
  state.percent = value.progress.percent;
  state.sequence = value.sequence;
  const auto changed = std::chrono::duration_cast<Millis>(value.changed.time_since_epoch());
  state.changed_at = static_cast<uint64_t>(changed.count());
  rollout::state_cell(segment_, number).write(state);
}

std::vector<std::string> RolloutBook::names() const {
  std::vector<std::string> names;
  for (const auto& [name, rollout] : rollouts_) names.push_back(name);
  return names;
}

const config::Rollout* RolloutBook::configured(std::string_view name) const {
  auto found = rollouts_.find(name);
  return found == rollouts_.end() ? nullptr : &found->second;
}

rollout::Progress RolloutBook::progress(std::string_view name) const {
  const config::Rollout& rollout = *configured(name);
  const LiveValue value = live_value(name);
  if (value.live()) return rollout::reconcile(rollout, value.progress);
  return rollout::fresh_progress(rollout, adopted_);
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
  view.steps = rollout.steps.size();
  view.gated = rollout.gate.has_value();
  view.judged = rollout::is_judged(rollout, progress(rollout.name));
  view.live.progress = progress(rollout.name);
  if (auto found = judgements_.find(rollout.name); found != judgements_.end()) view.judgement = found->second;
  view.outlook = rollout::outlook(rollout, view.live.progress, clock_.wall());
  return view;
}

LiveValue RolloutBook::live_value(std::string_view name) const {
  if (auto owed = owed_.find(name); owed != owed_.end()) return owed->second.value;
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
    if (found == file.values.rollouts.end() || !differs(found->second, rollout)) continue;
    lines.push_back(difference(found->second, rollout));
  }
  return lines;
}

}  // namespace banyan::control
