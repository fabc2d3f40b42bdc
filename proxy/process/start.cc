#include "process/start.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "base/log.h"
#include "handler/bells.h"
#include "process/descriptors.h"
#include "process/master.h"
#include "process/state_lock.h"

namespace banyan::process {
namespace {

// How long addresses may stay in use by whoever served them before: children of a master that was killed.
constexpr Duration kBindPatience = std::chrono::milliseconds(2500);

// Who started us reads standard error, and a master whose place this one was to take, the line.
class Refusal {
 public:
  explicit Refusal(const std::optional<Handover>& handover) : handover_(handover) {}

  void say(const std::string& text) const {
    std::fputs(text.c_str(), stderr);
    if (handover_) say_why_not(handover_->line, text);
  }
  int operator()(const std::string& message) const {
    fmt::print(stderr, "banyan: {}\n", message);
    if (handover_) say_why_not(handover_->line, message);
    return 1;
  }

 private:
  const std::optional<Handover>& handover_;
};

// Null when it is refused.
std::shared_ptr<Configuration> read(const CommandLine& line, const Refusal& refusal) {
  auto configuration = std::make_shared<Configuration>();
  configuration->read = std::chrono::system_clock::now();
  configuration->sources = config::read_sources(line.source, load_options());
  config::Loaded loaded = config::parse(configuration->sources, load_options());
  refusal.say(config::to_text(loaded.diagnostics));
  if (!loaded.ok()) return nullptr;
  configuration->config = std::move(loaded.config);
  return configuration;
}

// A folder of ours belongs to the user who writes there; one that somebody made for us as root is given to
// him.
Result<void> make_folder(const std::string& path, std::filesystem::perms permissions, const User* owner) {
  std::error_code error;
  bool made = std::filesystem::create_directories(path, error);
  if (!error && made) std::filesystem::permissions(path, permissions, error);
  if (error) return proxy_error("make " + path + ": " + error.message());
  struct stat status {};
  if (!owner || stat(path.c_str(), &status) != 0 || status.st_uid != 0) return {};
  if (chown(path.c_str(), owner->uid, owner->gid) != 0) return system_error("chown " + path, errno);
  return {};
}

Result<void> make_folders(const config::Config& config, const User* user) {
  using std::filesystem::perms;
  perms for_all =
      perms::owner_all | perms::group_read | perms::group_exec | perms::others_read | perms::others_exec;
  if (Result<void> made = make_folder(config.run_dir, for_all, nullptr); !made) return made;
  return make_folder(config.state_dir, perms::owner_all | perms::group_read | perms::group_exec, user);
}

// Null when workers stay who we are.
Result<std::optional<User>> choose_user(const config::Config& config) {
  if (config.user.empty()) {
    if (geteuid() == 0) LOG(warn, "user is not set: workers run as root");
    return std::optional<User>();
  }
  if (geteuid() != 0) {
    LOG(warn, "user = \"{}\" has no effect: only root can start workers as another user", config.user);
    return std::optional<User>();
  }
  Result<User> user = find_user(config.user);
  if (!user) return std::move(user).error();
  return std::optional<User>(std::move(*user));
}

// Empty when workers keep the root.
Result<std::string> choose_root(const config::Config& config) {
  if (config.chroot.empty()) return std::string();
  if (geteuid() != 0) {
    LOG(warn, "chroot = \"{}\" has no effect: only root can change the root of workers", config.chroot);
    return std::string();
  }
  if (Result<void> found = find_root(config.chroot); !found) {
    return proxy_error("chroot: " + found.error().message);
  }
  return config.chroot;
}

Result<void> open_sockets(Inheritance& inheritance, const Refusal& refusal) {
  const config::Config& config = inheritance.current->config;
  const TimePoint in_use_until = MonotonicClock::now() + kBindPatience;
  std::vector<config::Diagnostic> diagnostics;
  NamedFds missing = open_missing_sockets(config, inheritance.sockets, diagnostics, in_use_until);
  refusal.say(config::to_text(diagnostics));
  if (config::has_errors(diagnostics)) {
    discard_sockets(missing);
    return proxy_error("cannot open the listening sockets");
  }
  inheritance.sockets.merge(missing);
  auto admin = open_admin_sockets(config.admin, inheritance.admin_sockets, in_use_until);
  if (!admin) return std::move(admin).error();
  inheritance.admin_sockets.merge(*admin);
  return {};
}

// What an old master has given, as far as the configuration names it. Its segment may be of another version;
// then nothing is known of it.
void take_over(Handover& handover, Inheritance& inheritance) {
  const config::Config& config = inheritance.current->config;
  for (NamedFds* sockets : {&handover.sockets, &handover.admin_sockets}) {
    for (config::Address& address : close_unnamed(config, *sockets)) {
      inheritance.abandoned.push_back(std::move(address));
    }
  }
  inheritance.sockets = std::move(handover.sockets);
  inheritance.admin_sockets = std::move(handover.admin_sockets);
  inheritance.predecessor = handover.master;
  if (!handover.segment) return;
  Result<shm::Segment> segment = shm::Segment::map(handover.segment.get());
  if (segment) inheritance.predecessor_segment.emplace(std::move(*segment));
}

Result<void> open_everything(Inheritance& inheritance, const Refusal& refusal) {
  Result<NamedFds> logs = open_logs(inheritance.current->config.log, {}, true);
  if (!logs) return std::move(logs).error();
  inheritance.logs = std::move(*logs);
  Result<std::vector<int>> bells = handler::make_bells(inheritance.worker_count);
  if (!bells) return std::move(bells).error();
  for (int fd : *bells) inheritance.bells.emplace_back(fd);
  return open_sockets(inheritance, refusal);
}

}  // namespace

int start_master(const CommandLine& line, const ProcessTitle& title, Program program) {
  Result<std::optional<Handover>> handover = Handover::from_environment();
  if (!handover) return Refusal(std::nullopt)(handover.error().message);
  const Refusal fail(*handover);
  std::shared_ptr<Configuration> configuration = read(line, fail);
  if (!configuration) return fail("cannot start: the configuration is refused");
  const config::Config& config = configuration->config;
  log::set_role("master");
  raise_file_limit();
  signal(SIGPIPE, SIG_IGN);
  // A limit on the size of files is an error like a full disk, not the end.
  signal(SIGXFSZ, SIG_IGN);
  Result<std::optional<User>> user = choose_user(config);
  if (!user) return fail(user.error().message);
  Result<std::string> root = choose_root(config);
  if (!root) return fail(root.error().message);
  if (Result<void> made = make_folders(config, *user ? &**user : nullptr); !made)
    return fail(made.error().message);

  std::optional<Daemon> daemon;
  if (config.daemon && !*handover) {  // an upgrade starts in the background
    Result<Daemon> started = Daemon::start();
    if (!started) return fail(started.error().message);
    daemon.emplace(std::move(*started));
  }
  // From here on this process is the one that stays.
  Result<PidFile> pid_file = PidFile::create(config.pid_path());
  if (!pid_file) return fail(pid_file.error().message);
  const auto give_up = [&pid_file, &fail](const Error& why) {
    pid_file->remove();
    return fail(why.message);
  };
  Result<Fd> state_lock = lock_state(config.state_dir, *handover ? std::move((*handover)->state_lock) : Fd());
  if (!state_lock) return give_up(state_lock.error());
  History history(config.state_dir);
  configuration->number = history.number_for(config::written_part(configuration->sources, load_options()));
  Result<shm::Segment> segment = shm::Segment::create();
  if (!segment) return give_up(segment.error());
  Inheritance inheritance{.current = configuration,
                          .sockets = {},
                          .admin_sockets = {},
                          .logs = {},
                          .state_lock = std::move(*state_lock),
                          .segment = std::move(*segment),
                          .user = std::move(*user),
                          .root = std::move(*root),
                          .title = title,
                          .bells = {},
                          .master = getpid(),
                          .predecessor = 0,
                          .predecessor_segment = {},
                          .abandoned = {},
                          .worker_count = count_workers(config)};
  if (*handover) take_over(**handover, inheritance);
  if (Result<void> opened = open_everything(inheritance, fail); !opened) return give_up(opened.error());
  title.set("banyan: master " + configuration->sources.main);
  Fd line_to_old = *handover ? std::move((*handover)->line) : Fd();
  Master master(std::move(inheritance), line.source, Notifier::from_environment(), std::move(*pid_file),
                std::move(daemon), std::move(program), std::move(line_to_old), std::move(history));
  return master.run();
}

}  // namespace banyan::process
