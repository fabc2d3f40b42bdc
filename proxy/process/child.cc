#include "process/child.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/log.h"
#include "process/change.h"
#include "process/children.h"
#include "process/controller.h"
#include "process/descriptors.h"
#include "process/system_calls.h"
#include "process/worker.h"
#include "shm/processes.h"

namespace banyan::process {
namespace {

constexpr char kNoneLeft[] = "there is no descriptor left (RLIMIT_NOFILE)";

// Everything of the master's that is not ours: other children's channels, its loop, its signals.
void close_foreign(Inheritance& inheritance, uint32_t place, const Fd& channel) {
  (place == shm::kControllerSlot ? inheritance.sockets : inheritance.admin_sockets).clear();
  inheritance.state_lock.reset();
  std::vector<unsigned> keep = {static_cast<unsigned>(channel.get()),
                                static_cast<unsigned>(inheritance.segment.fd())};
  for (const Fd& fd : inheritance.bells) keep.push_back(static_cast<unsigned>(fd.get()));
  for (const NamedFds* fds : {&inheritance.logs, &inheritance.sockets, &inheritance.admin_sockets}) {
    for (const auto& [name, fd] : *fds) keep.push_back(static_cast<unsigned>(fd.get()));
  }
  close_others(std::move(keep));
}

// For good: what nobody in this process needs.
void give_up_rights(Inheritance& inheritance) {
  if (geteuid() != 0) drop_capabilities();
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) LOG(warn, "no_new_privs: {}", std::strerror(errno));
  if (!inheritance.current->config.seccomp) return;
  if (Result<void> done = forbid_system_calls(FilterFor::this_build); !done) {
    inheritance.seccomp = "not offered";
    LOG(warn, "{}: this process keeps all system calls", done.error().message);
    return;
  }
  inheritance.seccomp = "on";
}

// Ends when the master ends, however that happens. To be called after become(), which clears it.
bool die_with(pid_t master) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  return getppid() == master;  // else it died before the line above
}

std::vector<int> numbers_of(const std::vector<Fd>& fds) {
  std::vector<int> numbers;
  for (const Fd& fd : fds) numbers.push_back(fd.get());
  return numbers;
}

std::string role_name(uint32_t place) {
  if (place == shm::kControllerSlot) return "controller";
  return "worker/" + std::to_string(place - shm::kFirstWorkerSlot);
}

}  // namespace

int live_as_child(Inheritance& inheritance, uint32_t place, Fd channel) {
  // Until its own logs are there, lines go to standard error: the master's sink is a thread that did not come
  // along.
  log::set_sink(nullptr, nullptr);
  log::set_role(role_name(place));
  inheritance.title.set("banyan: " + place_name(place));
  close_foreign(inheritance, place, channel);
  ignore_terminal_signals();
  ResidentMemory memory;
  // The controller keeps the state of rollouts in files, and so its root.
  if (!inheritance.root.empty() && place != shm::kControllerSlot) {
    if (Result<void> changed = change_root(inheritance.root); !changed) {
      LOG(error, "{}", changed.error().message);
      return 1;
    }
  }
  if (inheritance.user) {
    if (Result<void> changed = become(*inheritance.user); !changed) {
      LOG(error, "cannot become user {}: {}", inheritance.user->name, changed.error().message);
      return 1;
    }
  }
  if (!die_with(inheritance.master)) return 1;
  give_up_rights(inheritance);
  keep_reserve();
  Child child(inheritance, place, std::move(channel), std::move(memory));
  if (place == shm::kControllerSlot) {
    Controller controller(child);
    return child.run(controller);
  }
  Worker worker(child);
  return child.run(worker);
}

Child::Child(Inheritance& inheritance, uint32_t place, Fd channel, ResidentMemory memory)
    : inheritance_(inheritance),
      place_(place),
      workplace_(inheritance.segment, place, numbers_of(inheritance.bells)),
      logs_(workplace_.loop()),
      channel_(workplace_.loop(), std::move(channel), Channel::Side::child, *this),
      second_(workplace_.loop(), Callback::to<&Child::on_second>(this)),
      memory_(std::move(memory)) {}

Child::~Child() = default;

int Child::run(Role& role) {
  role_ = &role;
  std::shared_ptr<const Configuration> configuration = inheritance_.current;
  for (auto& [path, fd] : inheritance_.logs) logs_.put(path, std::move(fd));
  inheritance_.logs.clear();
  logs_.use(configuration->config.log);
  shm::announce_process(inheritance_.segment, place_, static_cast<uint32_t>(getpid()), configuration->number,
                        workplace_.loop().wall());
  std::string remarks;
  Result<std::shared_ptr<Generation>> first = build(configuration, false, remarks);
  if (!first) {
    channel_.send({MessageType::refused, configuration->number, first.error().message});
    return 1;
  }
  current_ = std::move(*first);
  current_->take_over_from(nullptr, workplace_.loop().now(), {});
  role.on_generation(current_, inheritance_.sockets);
  shm::set_process_state(inheritance_.segment, place_, shm::ProcessState::ready);
  channel_.send({MessageType::ready, configuration->number, std::move(remarks)});
  on_second();
  workplace_.loop().run();
  current_.reset();  // the role takes it down in its own order
  next_.reset();
  return 0;
}

Result<std::shared_ptr<Generation>> Child::build(std::shared_ptr<const Configuration> configuration,
                                                 bool strict, std::string& remarks) {
  Generation::Built built = Generation::build(std::move(configuration), workplace_.surroundings(),
                                              current_.get(), {.strict = strict, .run_tests = false});
  if (config::has_errors(built.diagnostics)) return proxy_error(config::to_text(built.diagnostics));
  remarks = config::to_text(built.diagnostics);
  if (std::string line = connection_warning(built.generation->config()); !line.empty())
    remarks += line + "\n";
  for (const std::string& line : role_->remarks(built.generation->config())) remarks += line + "\n";
  return std::move(built.generation);
}

// ---------------------------------------------------------------- messages

void Child::on_message(Message message) {
  switch (message.type) {
    case MessageType::listen_socket:
      if (!message.fd) next_incomplete_ = true;
      next_sockets_[message.text] = std::move(message.fd);
      break;
    case MessageType::log_file:
      on_log_file(std::move(message));
      break;
    case MessageType::prepare:
      on_prepare(message);
      break;
    case MessageType::commit:
      on_commit(message.number);
      break;
    case MessageType::abort:
      on_abort();
      break;
    case MessageType::drain:
      shm::set_process_state(inheritance_.segment, place_, shm::ProcessState::draining);
      role_->on_drain(Millis(static_cast<Millis::rep>(message.number)), message.text == "paced");
      break;
    case MessageType::stop:
      role_->on_stop();
      break;
    case MessageType::outcome:
      role_->on_outcome(message.number, Outcome::parse(message.text));
      break;
    case MessageType::reloaded:
      role_->on_reload(Outcome::parse(message.text));
      break;
    case MessageType::standing:
      inheritance_.standing = parse_standing(message.text);
      break;
    case MessageType::kept:
      on_kept(message);
      break;
    default:
      break;
  }
}

// The master is gone; the kernel ends this process too, if it has not yet.
void Child::on_channel_closed() { finish(); }

void Child::on_log_file(Message message) {
  if (message.number > 0) {
    if (!message.fd) next_incomplete_ = true;
    next_logs_[message.text] = std::move(message.fd);
  } else if (message.fd) {
    logs_.put(message.text, std::move(message.fd));
  } else {
    LOG(error, "{} was opened again: {}; lines go on to the old file", message.text, kNoneLeft);
  }
}

void Child::on_kept(const Message& message) {
  if (message.fd) return role_->on_kept(message.number, message.fd);
  role_->on_outcome(message.number, {.done = false, .lines = {kNoneLeft}});
}

void Child::on_prepare(const Message& message) {
  channel_.send({MessageType::preparing, message.number});
  if (!message.fd || next_incomplete_) {
    channel_.send(
        {MessageType::refused, message.number, fmt::format("{}: {}", place_name(place_), kNoneLeft)});
    return on_abort();
  }
  auto configuration = from_memfd(message.fd, static_cast<uint32_t>(message.number));
  std::string remarks;
  auto built = configuration ? build(std::move(*configuration), true, remarks)
                             : Result<std::shared_ptr<Generation>>(configuration.error());
  if (!built) {
    channel_.send({MessageType::refused, message.number, built.error().message});
    return on_abort();
  }
  next_ = std::move(*built);
  channel_.send({MessageType::ready, message.number, std::move(remarks)});
}

void Child::on_commit(uint64_t number) {
  if (!next_ || next_->number() != number) return finish();  // the master would take us for what we are not
  for (auto& [path, fd] : next_logs_) logs_.put(path, std::move(fd));
  next_logs_.clear();
  logs_.use(next_->config().log);
  inheritance_.sockets.merge(next_sockets_);
  next_sockets_.clear();
  next_->take_over_from(current_.get(), workplace_.loop().now(), next_->config().shutdown_timeout);
  current_ = std::move(next_);
  next_.reset();
  role_->on_generation(current_, inheritance_.sockets);
  close_unnamed(current_->config(), inheritance_.sockets);
  slot().generation.store(current_->number(), std::memory_order_relaxed);
  channel_.send({MessageType::committed, number});
}

void Child::on_abort() {
  next_.reset();
  next_sockets_.clear();
  next_logs_.clear();
  next_incomplete_ = false;
}

uint64_t Child::ask(MessageType type, std::string text) {
  // Unlike those of this place's earlier processes, whose outcomes may still be on their way.
  uint64_t number = static_cast<uint64_t>(getpid()) << 32 | ++last_request_;
  channel_.send({type, number, std::move(text)});
  return number;
}

void Child::ask_hook(const std::string& rollout, Fd line) {
  channel_.send({MessageType::ask_hook, 0, rollout, std::move(line)});
}

void Child::on_second() {
  auto lag = std::chrono::duration_cast<std::chrono::microseconds>(workplace_.loop().take_longest_turn());
  slot().loop_lag.store(static_cast<uint64_t>(lag.count()), std::memory_order_relaxed);
  slot().beat.fetch_add(1, std::memory_order_relaxed);
  if (const uint64_t lost = logs_.take_lost(); lost > 0) {
    workplace_.counters().counter(shm::Metric::log_lines_dropped).add(lost);
  }
  heap_.on_second();
  role_->on_second();
  second_.start(std::chrono::seconds(1));
}

}  // namespace banyan::process
