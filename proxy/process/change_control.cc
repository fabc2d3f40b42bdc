#include "process/change_control.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "config/units.h"
#include "control/texts.h"

namespace banyan::process {
namespace {

constexpr Duration kBusy = std::chrono::seconds(1);    // until another reload has ended
constexpr Duration kRetry = std::chrono::seconds(10);  // after going back has failed

void nobody(const Outcome&) {}

Outcome refusal(std::string why) { return {.done = false, .lines = {std::move(why)}}; }

Change to_change(Change::How how, const admin::ChangeOrder& order) {
  return {.how = how,
          .who = order.who,
          .why = order.why,
          .confirm_within = order.confirm_within,
          .back_to = order.number};
}

bool goes_back(Change::How how) { return how == Change::How::rollback || how == Change::How::went_back; }

}  // namespace

ChangeControl::ChangeControl(event::Loop& loop, Inheritance& inheritance, Children& children, Reload& reload,
                             History history, config::SourceRequest request)
    : loop_(loop),
      inheritance_(inheritance),
      children_(children),
      reload_(reload),
      history_(std::move(history)),
      request_(std::move(request)),
      timer_(loop, Callback::to<&ChangeControl::on_time_over>(this)) {}

void ChangeControl::begin(Change::How how) {
  paused_ = false;
  running_ = inheritance_.current;
  written_ = config::written_part(running_->sources, load_options());
  const KeptEntry* newest = history_.newest();
  if (newest && newest->state == KeptEntry::State::unconfirmed) resume_trial(*newest);
  if (newest && newest->number == running_->number) {
    running_number_ = newest->number;
  } else {
    Outcome outcome;
    keep({.how = how, .who = "Banyan", .why = {}}, outcome);
    for (const std::string& line : outcome.lines) LOG(warn, "{}", line);
  }
  tell();
}

void ChangeControl::pause() {
  paused_ = true;
  timer_.stop();
}

void ChangeControl::resume() {
  paused_ = false;
  start_timer();
}

// ---------------------------------------------------------------- orders

void ChangeControl::on_order(const Message& message) {
  const admin::ChangeOrder order = parse_order(message.text);
  const Reload::Answer answer = [this, request = message.number](const Outcome& outcome) {
    children_.send(shm::kControllerSlot, {MessageType::outcome, request, outcome.text()});
  };
  switch (message.type) {
    case MessageType::ask_reload:
      return reload_.ask(to_change(Change::How::reload, order), answer);
    case MessageType::ask_rollback:
      return roll_back(order, answer);
    case MessageType::ask_confirm:
      return confirm(order, answer);
    case MessageType::ask_kept:
      return show_kept(order.number, message.number, answer);
    default:
      return show_history(answer);
  }
}

void ChangeControl::roll_back(const admin::ChangeOrder& order, const Reload::Answer& answer) {
  if (order.number == running_number_) {
    return answer(refusal(fmt::format("configuration {} runs already", order.number)));
  }
  Result<config::Sources> sources = history_.text(order.number);
  if (!sources) return answer(refusal(sources.error().message));
  reload_.ask_back(to_change(Change::How::rollback, order), std::move(*sources), answer);
}

void ChangeControl::confirm(const admin::ChangeOrder& order, const Reload::Answer& answer) {
  if (!trial_) return answer(refusal("nothing is to be confirmed"));
  if (trial_->going_back) {
    return answer(
        refusal(fmt::format("too late: Banyan is going back to configuration {}", trial_->fallback_number)));
  }
  LOG(notice, "configuration {} is confirmed by {}", number(), order.who);
  Outcome outcome{.done = true, .lines = {}};
  end_trial(KeptEntry::State::confirmed, outcome);
  tell();
  answer(outcome);
}

void ChangeControl::show_history(const Reload::Answer& answer) const {
  Outcome outcome{.done = true, .lines = {}};
  for (const KeptEntry& entry : history_.entries()) {
    outcome.lines.push_back(entry_text(entry, entry.number == running_number_));
  }
  std::reverse(outcome.lines.begin(), outcome.lines.end());
  answer(outcome);
}

void ChangeControl::show_kept(uint32_t number, uint64_t request, const Reload::Answer& answer) const {
  Result<config::Sources> sources = history_.text(number);
  if (!sources) return answer(refusal(sources.error().message));
  config::complete(*sources, load_options());
  Result<Fd> memory = to_memfd(*sources);
  if (!memory) return answer(refusal(memory.error().message));
  children_.send(shm::kControllerSlot, {MessageType::kept, request, {}, std::move(*memory)});
}

// ---------------------------------------------------------------- what becomes of a reload

void ChangeControl::on_reload_done(Outcome& outcome, const Change& change) {
  if (!outcome.done) {
    if (change.how != Change::How::went_back || !trial_) return;
    trial_->going_back = false;
    if (!paused_) timer_.start(kRetry);
    return;
  }
  const std::shared_ptr<const Configuration> before = std::exchange(running_, inheritance_.current);
  if (change.how == Change::How::certificates) return;
  const bool settles = goes_back(change.how) && change.confirm_within.count() == 0;
  if (settles && trial_) end_trial(KeptEntry::State::reverted, outcome);
  if (change.confirm_within.count() > 0) begin_trial(before->sources, change);
  config::Sources written = config::written_part(running_->sources, load_options());
  const bool same =
      written == written_ && running_number_ != 0 && running_number_ == history_.newest()->number;
  written_ = std::move(written);
  if (!same || goes_back(change.how) || change.confirm_within.count() > 0) keep(change, outcome);
  note_rollback(change, outcome);
  if (trial_) outcome.lines.push_back(trial_text());
  tell();
  // They may have been renewed since the configuration was the one in effect.
  if (change.how == Change::How::went_back) reload_.ask({.how = Change::How::certificates}, nobody);
}

// Whatever is reloaded meanwhile, the way back leads to what ran before the first one.
void ChangeControl::begin_trial(const config::Sources& fallback, const Change& change) {
  if (!trial_) {
    Trial trial;
    trial.fallback = fallback;
    trial.fallback_number = running_number_;
    trial_ = std::move(trial);
  }
  trial_->until = loop_.now() + change.confirm_within;
  trial_->until_wall = loop_.wall() + change.confirm_within;
  trial_->who = change.who;
  start_timer();
}

// The time that is left is counted by the wall clock, as nothing else outlives the master; it is never more
// than what was asked for.
void ChangeControl::resume_trial(const KeptEntry& newest) {
  Result<config::Sources> fallback = history_.text(newest.fallback);
  if (!fallback) {
    LOG(error, "configuration {} was not confirmed, but there is no way back: {}", newest.number,
        fallback.error().message);
  }
  // The files may have been put back.
  if (!fallback || *fallback == written_) {
    Result<void> settled = history_.settle(KeptEntry::State::reverted);
    if (!settled) LOG(warn, "history: {}", settled.error().message);
    return;
  }
  const Duration left = std::clamp<Duration>(newest.until - loop_.wall(), Duration(0),
                                             std::max<Duration>(newest.until - newest.when, Duration(0)));
  trial_ = {.fallback = std::move(*fallback),
            .fallback_number = newest.fallback,
            .until = loop_.now() + left,
            .until_wall = newest.until,
            .who = newest.who};
  LOG(warn, "{}", trial_text());
  start_timer();
}

void ChangeControl::end_trial(KeptEntry::State state, Outcome& outcome) {
  trial_.reset();
  timer_.stop();
  if (Result<void> settled = history_.settle(state); !settled) {
    outcome.lines.push_back(settled.error().message + ": the next master will not know of it");
  }
}

void ChangeControl::start_timer() {
  if (trial_ && !paused_) timer_.start_at(trial_->until);
}

void ChangeControl::on_time_over() {
  if (reload_.running()) return timer_.start(kBusy);
  LOG(warn, "configuration {} was not confirmed in time: going back to configuration {}", number(),
      trial_->fallback_number);
  trial_->going_back = true;
  reload_.ask_back({.how = Change::How::went_back,
                    .who = "Banyan",
                    .why = "not confirmed in time",
                    .confirm_within = {},
                    .back_to = trial_->fallback_number},
                   trial_->fallback, nobody);
}

std::string ChangeControl::trial_text() const {
  const uint32_t fallback = trial_->fallback_number;
  return fmt::format(
      "not confirmed yet: Banyan goes back to {} at {}, unless \"banyanctl confirm\" comes before",
      fallback != 0 ? fmt::format("configuration {}", fallback) : "the configuration before",
      control::time_text(trial_->until_wall));
}

// ---------------------------------------------------------------- history and status

void ChangeControl::keep(const Change& change, Outcome& outcome) {
  KeptEntry entry{.number = running_->number,
                  .when = loop_.wall(),
                  .how = change.how,
                  .who = change.who,
                  .why = change.why,
                  .back_to = change.back_to};
  if (trial_) {
    entry.state = KeptEntry::State::unconfirmed;
    entry.until = trial_->until_wall;
    entry.fallback = trial_->fallback_number;
  }
  Result<void> added = history_.add(std::move(entry), written_);
  running_number_ = added ? running_->number : 0;
  if (added) return;
  outcome.lines.push_back("this configuration is not kept in the history: " + added.error().message);
  if (trial_) outcome.lines.push_back("a restart would forget that it is to be confirmed");
}

void ChangeControl::note_rollback(const Change& change, Outcome& outcome) {
  std::optional<admin::Standing::RolledBack>& noted = inheritance_.standing.rolled_back;
  if (!goes_back(change.how)) {
    if (noted)
      outcome.lines.push_back(fmt::format("the files count again, after configuration {}", noted->to));
    noted.reset();
  } else if (files_differ()) {
    noted = {.to = change.back_to, .who = change.who, .when = loop_.wall()};
    outcome.lines.push_back(running_->sources.main +
                            " differs from what runs now: the next reload, restart or upgrade "
                            "takes what is written there");
  } else {
    noted.reset();
  }
}

bool ChangeControl::files_differ() const {
  const config::Sources now = config::read_sources(request_, load_options());
  if (!config::parse(now, load_options()).ok()) return true;
  return config::written_part(now, load_options()) != written_;
}

void ChangeControl::tell() {
  std::optional<admin::Standing::Unconfirmed>& open = inheritance_.standing.unconfirmed;
  open.reset();
  if (trial_) {
    open = {
        .number = number(), .fallback = trial_->fallback_number, .until = trial_->until, .who = trial_->who};
  }
  children_.send(shm::kControllerSlot, {MessageType::standing, 0, standing_text(inheritance_.standing)});
}

}  // namespace banyan::process
