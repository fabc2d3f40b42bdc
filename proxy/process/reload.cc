#include "process/reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include "base/log.h"
#include "process/log_files.h"

namespace banyan::process {
namespace {

std::vector<std::string> to_lines(const std::vector<config::Diagnostic>& diagnostics) {
  std::vector<std::string> lines;
  for (const config::Diagnostic& diagnostic : diagnostics) lines.push_back(diagnostic.text());
  return lines;
}

bool can_share(const Change& change) {
  return change.confirm_within.count() == 0 &&
         (change.how == Change::How::reload || change.how == Change::How::certificates);
}

}  // namespace

Reload::Reload(event::Loop& loop, Inheritance& inheritance, shm::Directory& directory, Children& children,
               config::SourceRequest request, Observer& observer)
    : loop_(loop),
      inheritance_(inheritance),
      started_with_(inheritance.current),
      directory_(directory),
      children_(children),
      request_(std::move(request)),
      observer_(observer),
      last_number_(inheritance.current->number),
      start_(loop, Callback::to<&Reload::begin>(this)),
      timer_(loop, Callback::to<&Reload::on_time_out>(this)) {}

void Reload::ask(Change change, Answer answer) {
  if (asked_.empty() || !can_share(asked_.back().change) || !can_share(change)) {
    asked_.push_back({std::move(change), {}, {}});
  } else if (change.how == Change::How::reload && asked_.back().change.how == Change::How::certificates) {
    asked_.back().change = std::move(change);
  }
  asked_.back().answers.push_back(std::move(answer));
  if (!running()) start_.schedule();
}

void Reload::ask_back(Change change, config::Sources sources, Answer answer) {
  asked_.push_back({std::move(change), std::move(sources), {}});
  asked_.back().answers.push_back(std::move(answer));
  if (!running()) start_.schedule();
}

void Reload::begin() {
  if (running() || asked_.empty()) return;
  job_ = std::move(asked_.front());
  asked_.pop_front();
  observer_.on_reload_begun();
  std::vector<std::string> reasons;
  candidate_ = read(reasons);
  if (!candidate_) return end({.done = false, .lines = std::move(reasons)});
  // Who is started in the meantime would begin with a configuration that nobody asks it to leave.
  children_.hold_starts(true);
  timer_.start(kPrepareTime);
  follow();
}

void Reload::cancel(const std::string& reason) {
  if (candidate_ && !candidate_->switched) refuse({reason});
  start_.cancel();
  std::deque<Job> asked;
  asked.swap(asked_);
  for (Job& job : asked) tell(job, {.done = false, .lines = {reason}});
}

config::Sources Reload::read_sources() {
  switch (job_.change.how) {
    case Change::How::certificates:
      return with_new_certificates();
    case Change::How::rollback:
    case Change::How::went_back: {
      config::Sources sources = std::move(job_.sources);
      config::complete(sources, load_options());
      return sources;
    }
    default:
      return config::read_sources(request_, load_options());
  }
}

config::Sources Reload::with_new_certificates() const {
  config::Sources sources = inheritance_.current->sources;
  config::CollectedSources collected(sources);
  for (const std::string& path : certificate_files(inheritance_.current->config)) {
    sources.files.erase(path);
    collected.file(path);
  }
  return sources;
}

std::optional<Reload::Candidate> Reload::read(std::vector<std::string>& reasons) {
  auto configuration = std::make_shared<Configuration>();
  configuration->number = ++last_number_;
  configuration->read = loop_.wall();
  configuration->sources = read_sources();
  config::Loaded loaded = config::parse(configuration->sources, load_options());
  configuration->config = std::move(loaded.config);
  Candidate candidate{
      .configuration = configuration, .sockets = {}, .logs = {}, .memory = {}, .round = Round({})};
  const config::Config& before = started_with_->config;
  // They take effect with the next start, which must not fail because of them.
  if (loaded.ok() &&
      (configuration->config.user != before.user || configuration->config.chroot != before.chroot)) {
    for (config::Diagnostic& wrong : check_identity(configuration->config)) {
      loaded.diagnostics.push_back(std::move(wrong));
    }
  }
  if (loaded.ok()) {
    candidate.sockets = open_missing_sockets(configuration->config, inheritance_.sockets, loaded.diagnostics);
  }
  if (!loaded.ok()) {
    reasons = to_lines(loaded.diagnostics);
  } else if (Result<void> opened = open_needed(candidate); !opened) {
    reasons.push_back(opened.error().message);
  }
  if (!reasons.empty()) {
    discard_sockets(candidate.sockets);
    return std::nullopt;
  }
  candidate.warnings = to_lines(loaded.diagnostics);
  for (const std::string& key : config::restart_differences(before, configuration->config)) {
    candidate.warnings.push_back(key + ": takes effect after a restart");
  }
  candidate.round = Round(participants());
  return candidate;
}

Result<void> Reload::open_needed(Candidate& candidate) {
  const config::Config& config = candidate.configuration->config;
  Result<NamedFds> logs = open_logs(config.log, inheritance_.logs, false);
  if (!logs) return std::move(logs).error();
  candidate.logs = std::move(*logs);
  Result<Fd> memory = to_memfd(candidate.configuration->sources);
  if (!memory) return std::move(memory).error();
  candidate.memory = std::move(*memory);
  if (Result<void> named = add_names(config, directory_); !named) return named;
  return reserve_memory(config, directory_, inheritance_.segment);
}

// Those that drain serve the old configuration to its end.
std::vector<uint32_t> Reload::participants() const {
  std::vector<uint32_t> places = children_.living();
  std::erase_if(places,
                [this](uint32_t place) { return children_.state(place) == Children::State::draining; });
  return places;
}

void Reload::ask_to_prepare(uint32_t place) {
  uint64_t number = candidate_->configuration->number;
  for (const auto& [name, fd] : candidate_->sockets) {
    if (place == shm::kControllerSlot) break;  // it serves none of them
    children_.send(place, {MessageType::listen_socket, number, name, duplicate(fd)});
  }
  for (const auto& [path, fd] : candidate_->logs) {
    children_.send(place, {MessageType::log_file, number, path, duplicate(fd)});
  }
  children_.send(place, {MessageType::prepare, number, {}, duplicate(candidate_->memory)});
}

void Reload::follow() {
  Round& round = candidate_->round;
  for (uint32_t place : round.take_to_ask()) ask_to_prepare(place);
  if (round.phase() == Round::Phase::refused) return refuse(round.reasons());
  bool accepted = round.phase() == Round::Phase::committing || round.phase() == Round::Phase::applied;
  if (accepted && !candidate_->switched) switch_over();
  if (round.phase() == Round::Phase::applied) end({.done = true, .lines = candidate_->warnings});
}

void Reload::refuse(std::vector<std::string> reasons) {
  for (uint32_t place : children_.living()) {
    children_.send(place, {MessageType::abort, candidate_->configuration->number});
  }
  discard_sockets(candidate_->sockets);
  end({.done = false, .lines = std::move(reasons)});
}

void Reload::switch_over() {
  candidate_->switched = true;
  inheritance_.current = candidate_->configuration;
  const config::Config& config = inheritance_.current->config;
  inheritance_.sockets.merge(candidate_->sockets);
  close_unnamed_sockets(config, inheritance_.sockets);
  adjust_backlogs(config, inheritance_.sockets);
  inheritance_.logs.merge(candidate_->logs);
  auto paths = LogFiles::paths(config.log);
  std::erase_if(inheritance_.logs, [&paths](const auto& entry) {
    return std::find(paths.begin(), paths.end(), entry.first) == paths.end();
  });
  for (uint32_t place : candidate_->round.missing()) {
    children_.send(place, {MessageType::commit, inheritance_.current->number});
  }
  children_.hold_starts(false);
  children_.start_waiting();
  timer_.start(kCommitTime);
}

void Reload::on_message(uint32_t place, const Message& message) {
  if (!candidate_ || message.number != candidate_->configuration->number) return;
  Round& round = candidate_->round;
  if (message.type == MessageType::ready) {
    round.on_ready(place);
    // All children see the same; one voice is enough.
    if (place == shm::kControllerSlot) {
      for (std::string& line : split_lines(message.text)) candidate_->warnings.push_back(std::move(line));
    }
  }
  if (message.type == MessageType::preparing) round.on_preparing(place);
  if (message.type == MessageType::refused) round.on_refused(place, place_name(place), message.text);
  if (message.type == MessageType::committed) round.on_committed(place);
  follow();
}

void Reload::on_death(uint32_t place) {
  if (!candidate_) return;
  candidate_->round.on_death(place, place_name(place));
  follow();
}

void Reload::on_time_out() {
  std::vector<std::string> reasons;
  for (uint32_t place : candidate_->round.missing()) {
    const bool busy = candidate_->round.occupies(place);
    reasons.push_back(
        place_name(place) +
        (busy && !candidate_->switched
             ? fmt::format(" did not prepare the configuration within {} s",
                           std::chrono::duration_cast<std::chrono::seconds>(kPrepareTime).count())
             : " does not answer"));
    LOG(error, "reload: {}", reasons.back());
    // It has not taken the new configuration, so it must not serve on with the old one.
    if (candidate_->switched) children_.kill(place, SIGKILL);
  }
  candidate_->round.on_time_out(reasons);
  follow();
}

void Reload::end(Outcome outcome) {
  timer_.stop();
  children_.hold_starts(false);
  candidate_.reset();
  Job job = std::move(job_);
  tell(job, std::move(outcome));
  if (!asked_.empty()) start_.schedule();
}

void Reload::tell(Job& job, Outcome outcome) {
  observer_.on_reload_done(outcome, job.change);
  for (Answer& answer : job.answers) answer(outcome);
}

}  // namespace banyan::process
