#include "process/master.h"

#include <fmt/format.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <fstream>

#include "base/log.h"
#include "net/listen_socket.h"
#include "net/tls_context.h"
#include "process/child.h"
#include "shm/processes.h"

namespace banyan::process {
namespace {

// How long children may take to end after being told, before they are killed.
constexpr Duration kStopPatience = std::chrono::seconds(2);
constexpr char kBusy[] = "Banyan is starting, being upgraded or stopping";

}  // namespace

Master::Master(Inheritance inheritance, config::SourceRequest request, Notifier notifier, PidFile pid_file,
               std::optional<Daemon> daemon, Program program, Fd line_to_old, History history)
    : inheritance_(std::move(inheritance)),
      directory_(inheritance_.segment),
      counters_(inheritance_.segment, shm::kMasterSlot),
      notifier_(std::move(notifier)),
      pid_file_(std::move(pid_file)),
      daemon_(std::move(daemon)),
      logs_(loop_),
      children_(loop_, inheritance_.segment, *this),
      reload_(loop_, inheritance_, directory_, children_, request, *this),
      changes_(loop_, inheritance_, children_, reload_, std::move(history), std::move(request)),
      patience_(loop_, Callback::to<&Master::on_patience_over>(this)),
      controller_patience_(loop_, Callback::to<&Master::on_controller_late>(this)),
      watchdog_(loop_, Callback::to<&Master::on_watchdog>(this)),
      ticket_key_age_(loop_, Callback::to<&Master::renew_ticket_key>(this)),
      certificates_(loop_, Callback::to<&Master::on_certificates_changed>(this)),
      stuck_(loop_, inheritance_.segment, children_, *this, StuckWatch::Limits{}),
      hooks_(inheritance_),
      upgrade_(loop_, inheritance_, std::move(program), *this),
      predecessor_(loop_, std::move(line_to_old), Callback::to<&Master::on_predecessor_gone>(this)) {}

Master::~Master() = default;

int Master::run() {
  const config::Config& config = inheritance_.current->config;
  Result<void> named = add_names(config, directory_);
  if (named) named = reserve_memory(config, directory_, inheritance_.segment);
  if (!named) {
    std::fprintf(stderr, "banyan: %s\n", named.error().message.c_str());
    return 1;
  }
  if (inheritance_.predecessor_segment) {
    take_over_segment(*inheritance_.predecessor_segment, inheritance_.segment, config);
  }
  for (const auto& [path, fd] : inheritance_.logs) logs_.put(path, duplicate(fd));
  logs_.use(config.log);
  shm::announce_process(inheritance_.segment, shm::kMasterSlot, static_cast<uint32_t>(getpid()), 1,
                        loop_.wall());
  renew_ticket_key();
  watch_signals();
  // The controller first: if the configuration cannot be built, one process says so.
  children_.keep_alive(shm::kControllerSlot);
  loop_.run();
  // The files of unix sockets belong to the master that serves them.
  const bool shared = replaced_ || predecessor_.owns_sockets();
  for (const NamedFds* sockets : {&inheritance_.sockets, &inheritance_.admin_sockets}) {
    if (shared) break;
    for (const auto& [name, fd] : *sockets) net::remove_socket_file(*config::parse_address(name));
  }
  pid_file_.remove();
  shm::set_process_state(inheritance_.segment, shm::kMasterSlot, shm::ProcessState::none);
  LOG(notice, "stopped");
  return exit_code_;
}

// ---------------------------------------------------------------- signals

// Signals are blocked and read from a descriptor, so that a child, which has no use for the master's,
// inherits no handler and no half-handled signal.
void Master::watch_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGCHLD})
    sigaddset(&set, number);
  CHECK(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
  signals_ = Fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  CHECK(signals_);
  signal_watch_.emplace(loop_, signals_.get(), event::IoWatch::Interest::read,
                        Callback::to<&Master::on_signals>(this));
  CHECK(signal_watch_->start());
}

void Master::on_signals() {
  signalfd_siginfo signal;
  while (read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
    switch (signal.ssi_signo) {
      case SIGTERM:
      case SIGINT:
        on_stop();
        break;
      case SIGQUIT:
        on_quit();
        break;
      case SIGHUP:
        on_reload(fmt::format("signal HUP of process {} (uid {})", signal.ssi_pid, signal.ssi_uid));
        break;
      case SIGUSR1:
        on_reopen();
        break;
      case SIGUSR2:
        on_upgrade();
        break;
      case SIGWINCH:
        on_drain_workers();
        break;
      case SIGCHLD:
        children_.reap();
        break;
    }
  }
}

void Master::on_stop() {
  if (phase_ == Phase::stopping) return;
  LOG(notice, "stopping");
  changes_.pause();
  reload_.cancel("Banyan stops");
  upgrade_.cancel();
  if (!replaced_) notifier_.stopping("Stopping");
  stop_children();
}

void Master::on_quit() {
  if (phase_ == Phase::starting) return on_stop();
  if (phase_ != Phase::running && phase_ != Phase::upgrading) return;
  upgrade_.cancel();
  phase_ = Phase::draining;
  LOG(notice, "stopping when the requests under way have ended");
  notifier_.stopping("Draining");
  changes_.pause();
  reload_.cancel("Banyan stops");
  inheritance_.sockets.clear();
  drain_workers(false);
  end_if_alone();
}

void Master::on_reload(std::string who) {
  if (phase_ != Phase::running) {
    LOG(warn, "reload: refused: {}", kBusy);
    return;
  }
  want_workers();
  reload_.ask({.how = Change::How::reload, .who = std::move(who)}, [](const Outcome&) {});
}

void Master::want_workers() {
  if (workers_wanted_) return;
  workers_wanted_ = true;
  start_workers();
}

void Master::on_reopen() {
  if (phase_ == Phase::stopping) return;
  Outcome outcome = reopen_logs();
  if (!outcome.done) LOG(error, "cannot open the logs again: {}", fmt::join(outcome.lines, "; "));
}

// ---------------------------------------------------------------- upgrade

// Two generations at most: while an old master drains, the next upgrade waits.
void Master::on_upgrade() {
  if (phase_ == Phase::upgrading) {
    LOG(notice, "upgrade: is under way already");
    return;
  }
  if (phase_ != Phase::running) return refuse_upgrade(kBusy);
  if (predecessor_.there()) {
    upgrade_wanted_ = true;
    LOG(notice, "upgrade: waits until process {} has drained", inheritance_.predecessor);
    return;
  }
  begin_upgrade();
}

// Rollout state has one writer: our controller ends before the new one begins. The admin sockets stay open,
// so who asks meanwhile waits for an answer.
void Master::begin_upgrade() {
  LOG(notice, "upgrade: begins");
  changes_.pause();
  reload_.cancel("Banyan is being upgraded");
  if (Result<void> aside = pid_file_.step_aside(); !aside) return refuse_upgrade(aside.error().message);
  phase_ = Phase::upgrading;
  children_.let_go(shm::kControllerSlot);
  if (!children_.alive(shm::kControllerSlot)) return upgrade_.start(notifier_.environment());
  children_.send(shm::kControllerSlot, {MessageType::stop});
  controller_patience_.start(kStopPatience);
}

void Master::on_controller_late() {
  if (phase_ == Phase::upgrading && !upgrade_.running()) children_.kill(shm::kControllerSlot, SIGKILL);
}

void Master::on_upgrade_ready(pid_t pid) {
  LOG(notice, "upgrade: process {} serves now; draining", pid);
  phase_ = Phase::draining;
  replaced_ = true;
  notifier_.handed_to(pid, status());
  inheritance_.sockets.clear();
  drain_workers(true);
  end_if_alone();
}

void Master::on_upgrade_failed(const std::string& why) {
  if (Result<void> back = pid_file_.step_back(); !back) LOG(error, "upgrade: {}", back.error().message);
  if (phase_ != Phase::upgrading) return;
  refuse_upgrade(why);
  phase_ = Phase::running;
  changes_.resume();
  children_.keep_alive(shm::kControllerSlot);
  if (std::exchange(certificates_changed_, false)) on_certificates_changed();
}

void Master::refuse_upgrade(const std::string& why) {
  LOG(error, "upgrade: {}; this program goes on", fmt::join(split_lines(why), "; "));
  const std::string path = upgrade_refused_path(inheritance_.current->config);
  if (!(std::ofstream(path) << why << std::flush)) LOG(error, "upgrade: cannot write {}", path);
}

// What the predecessor has and this configuration does not name ends with it.
void Master::take_place() {
  if (!predecessor_.there()) return;
  predecessor_.tell_ready();
  for (const config::Address& address : inheritance_.abandoned) net::remove_socket_file(address);
  adjust_backlogs(inheritance_.current->config, inheritance_.sockets);
}

void Master::on_predecessor_gone() {
  LOG(notice, "upgrade: process {} has ended", inheritance_.predecessor);
  if (std::exchange(upgrade_wanted_, false) && phase_ == Phase::running) begin_upgrade();
}

// ---------------------------------------------------------------- more signals

// In a terminal this signal means that the window has another size (nginx obeys it only as a daemon, too).
void Master::on_drain_workers() {
  if (phase_ != Phase::running) return;
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (isatty(fd)) return;
  }
  LOG(notice, "draining the workers; a reload starts new ones");
  workers_wanted_ = false;
  drain_workers(false);
}

// ---------------------------------------------------------------- start

void Master::start_workers() {
  for (uint32_t i = 0; i < inheritance_.worker_count; ++i) children_.keep_alive(shm::worker_slot(i));
}

void Master::on_child_ready(uint32_t place, const Message& message) {
  if (children_.state(place) != Children::State::starting) return;
  children_.set_state(place, Children::State::ready);
  if (place == shm::kControllerSlot) {
    for (const std::string& remark : split_lines(message.text)) LOG(warn, "{}", remark);
  }
  if (phase_ != Phase::starting) return;
  if (place == shm::kControllerSlot) start_workers();
  size_t ready = 0;
  for (uint32_t child : children_.living()) ready += children_.state(child) == Children::State::ready;
  if (ready == inheritance_.worker_count + 1) finish_start();
}

void Master::finish_start() {
  phase_ = Phase::running;
  if (daemon_) {
    if (Result<void> done = daemon_->ready(); !done) return fail_start(done.error().message);
    daemon_.reset();
    // "stdout" and "stderr" are /dev/null now: let go of the terminal or pipe we were started from.
    reopen_logs();
  }
  changes_.begin(predecessor_.there() ? Change::How::upgrade : Change::How::start);
  shm::set_process_state(inheritance_.segment, shm::kMasterSlot, shm::ProcessState::ready);
  watch_certificates();
  stuck_.start();
  take_place();
  LOG(notice, "ready: {}", status());
  notifier_.ready(status());
  if (notifier_.watchdog_interval()) on_watchdog();
}

// Whoever started us reads standard error; later ones read the log.
void Master::fail_start(const std::string& reasons) {
  exit_code_ = 1;
  predecessor_.tell_failure(reasons);
  std::fprintf(stderr, "%s\n", reasons.c_str());
  if (inheritance_.current->config.log.error.path != "stderr") LOG(error, "cannot start: {}", reasons);
  stop_children();
}

int Master::live(uint32_t place, Fd channel) {
  return live_as_child(inheritance_, place, std::move(channel));
}

// ---------------------------------------------------------------- children

void Master::on_child_message(uint32_t place, Message message) {
  switch (message.type) {
    case MessageType::ready:
      on_child_ready(place, message);
      return reload_.on_message(place, message);
    case MessageType::refused:
      if (phase_ == Phase::starting) return fail_start(message.text);
      if (children_.state(place) == Children::State::starting) {
        LOG(error, "{} cannot start: {}", place_name(place), message.text);
      }
      return reload_.on_message(place, message);
    case MessageType::preparing:
    case MessageType::committed:
      return reload_.on_message(place, message);
    case MessageType::ask_reload:
    case MessageType::ask_rollback:
    case MessageType::ask_confirm:
    case MessageType::ask_history:
    case MessageType::ask_kept:
      return on_change_asked(place, message);
    case MessageType::ask_reopen:
      return answer(place, message.number, reopen_logs());
    case MessageType::ask_hook:
      if (place == shm::kControllerSlot) hooks_.start(message.text, std::move(message.fd));
      return;
    default:
      return;
  }
}

// One that cannot start is a reason to give up; one that was killed from outside is replaced at any time.
void Master::on_child_death(uint32_t place, Children::State last_state, bool killed) {
  if (phase_ == Phase::starting) {
    if (!killed) fail_start(fmt::format("banyan: {} died while starting", place_name(place)));
  } else if (place != shm::kControllerSlot && last_state != Children::State::draining &&
             phase_ == Phase::running) {
    counters_.counter(shm::Metric::worker_deaths).add();
  }
  reload_.on_death(place);
  if (place == shm::kControllerSlot && phase_ == Phase::upgrading && !upgrade_.running()) {
    controller_patience_.stop();
    return upgrade_.start(notifier_.environment());
  }
  end_if_alone();
}

// While a configuration is built for a reload the loop stands still, too; that has a limit of its own. It is
// no excuse for who has not begun to.
void Master::on_stuck(uint32_t place, const std::string& why) {
  if (reload_.occupies(place) || phase_ == Phase::stopping) return;
  const uint32_t pid = inheritance_.segment.layout().processes[place].pid.load(std::memory_order_relaxed);
  LOG(error, "{} (process {}) is stuck: {}; it is killed", place_name(place), pid, why);
  counters_.counter(shm::Metric::worker_stuck).add();
  children_.kill(place, SIGKILL);
}

void Master::on_change_asked(uint32_t place, const Message& message) {
  if (place != shm::kControllerSlot) return;  // no other has somebody who may ask
  if (phase_ != Phase::running) {
    return answer(place, message.number, {.done = false, .lines = {kBusy}});
  }
  if (message.type == MessageType::ask_reload || message.type == MessageType::ask_rollback) want_workers();
  changes_.on_order(message);
}

void Master::answer(uint32_t place, uint64_t request, const Outcome& outcome) {
  children_.send(place, {MessageType::outcome, request, outcome.text()});
}

// ---------------------------------------------------------------- reload and logs

void Master::on_reload_begun() {
  LOG(info, "reload: reading the configuration");
  notifier_.reloading();
}

void Master::on_reload_done(Outcome& outcome, const Change& change) {
  changes_.on_reload_done(outcome, change);
  children_.send(shm::kControllerSlot, {MessageType::reloaded, 0, outcome.text()});
  counters_.counter(shm::Metric::reload, outcome.done ? shm::Outcome::ok : shm::Outcome::failed).add();
  if (outcome.done) {
    const config::Config& config = inheritance_.current->config;
    for (const auto& [path, fd] : inheritance_.logs) {
      if (!logs_.find(path)) logs_.put(path, duplicate(fd));
    }
    logs_.use(config.log);
    watch_certificates();
    for (const std::string& line : outcome.lines) LOG(warn, "reload: {}", line);
    LOG(notice, "reload: applied, configuration {}", inheritance_.current->number);
  } else {
    for (const std::string& line : outcome.lines) LOG(error, "reload: {}", line);
    LOG(error, "reload: refused, nothing was changed");
  }
  notifier_.ready(outcome.done ? status() : status() + "; the last reload was refused");
}

Outcome Master::reopen_logs() {
  Result<NamedFds> opened = open_logs(inheritance_.current->config.log, inheritance_.logs, true);
  if (!opened) return {.done = false, .lines = {opened.error().message}};
  inheritance_.logs = std::move(*opened);
  for (const auto& [path, fd] : inheritance_.logs) {
    logs_.put(path, duplicate(fd));
    for (uint32_t place : children_.living()) {
      children_.send(place, {MessageType::log_file, 0, path, duplicate(fd)});
    }
  }
  LOG(notice, "opened the logs again");
  return {.done = true};
}

// ---------------------------------------------------------------- the end

// Paced: others serve on, so connections may take their time to leave.
void Master::drain_workers(bool paced) {
  Millis time = inheritance_.current->config.shutdown_timeout;
  for (uint32_t place : children_.living_workers()) {
    children_.let_go(place);
    children_.set_state(place, Children::State::draining);
    children_.send(place, {MessageType::drain, static_cast<uint64_t>(time.count()), paced ? "paced" : ""});
  }
  for (uint32_t i = 0; i < inheritance_.worker_count; ++i) children_.let_go(shm::worker_slot(i));
  patience_.start(time + kStopPatience);
}

void Master::stop_children() {
  phase_ = Phase::stopping;
  children_.let_all_go();
  for (uint32_t place : children_.living()) children_.send(place, {MessageType::stop});
  patience_.start(kStopPatience);
  end_if_alone();
}

void Master::on_patience_over() {
  std::vector<uint32_t> late = phase_ == Phase::stopping ? children_.living() : children_.living_workers();
  for (uint32_t place : late) {
    if (phase_ != Phase::stopping && children_.state(place) != Children::State::draining) continue;
    LOG(warn, "{} did not end in time and is killed", place_name(place));
    children_.kill(place, SIGKILL);
  }
}

void Master::end_if_alone() {
  if (phase_ == Phase::draining && children_.living_workers().empty()) return stop_children();
  if (phase_ == Phase::stopping && children_.living().empty()) loop_.stop();
}

void Master::on_watchdog() {
  notifier_.alive();
  watchdog_.start(*notifier_.watchdog_interval());
}

// ---------------------------------------------------------------- TLS

// The first one, or, after an upgrade, the next one when its time comes.
void Master::renew_ticket_key() {
  const WallTime now = loop_.wall();
  std::optional<WallTime> due = shm::ticket_key_due(inheritance_.segment);
  if (!due || *due <= now) {
    shm::add_ticket_key(inheritance_.segment, net::make_ticket_key(), now);
    due = now + shm::kTicketKeyTime;
  }
  ticket_key_age_.start(std::min<Duration>(*due - now, shm::kTicketKeyTime));
}

void Master::watch_certificates() {
  certificates_.watch(certificate_files(inheritance_.current->config), inheritance_.current->read);
}

void Master::on_certificates_changed() {
  if (phase_ != Phase::running) {
    certificates_changed_ = true;
    return;
  }
  LOG(notice, "certificate files have changed");
  reload_.ask({.how = Change::How::certificates}, [](const Outcome&) {});
}

std::string Master::status() const {
  return fmt::format("{} workers, configuration {}", inheritance_.worker_count, inheritance_.current->number);
}

}  // namespace banyan::process
