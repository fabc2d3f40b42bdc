#include "process/upgrade.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/check.h"
#include "event/loop.h"

extern char** environ;

namespace banyan::process {
namespace {

constexpr int kCannotStart = 127;

// Pointers into the texts, with the null that exec wants.
std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return fmt::format("the new program was ended by signal {}", WTERMSIG(status));
  return fmt::format("the new program ended with code {} before it was ready", WEXITSTATUS(status));
}

}  // namespace

std::string upgrade_refused_path(const config::Config& config) { return config.run_dir + "/upgrade.refused"; }

Upgrade::Upgrade(event::Loop& loop, const Inheritance& inheritance, Program program, Observer& observer)
    : loop_(loop),
      inheritance_(inheritance),
      program_(std::move(program)),
      observer_(observer),
      limit_(loop, Callback::to<&Upgrade::on_limit>(this)),
      failure_notice_(loop, Callback::to<&Upgrade::on_failure_notice>(this)) {}

void Upgrade::start(std::vector<std::string> environment) {
  CHECK(!running());
  failure_.clear();
  said_.clear();
  for (char** variable = environ; *variable; ++variable) environment.emplace_back(*variable);
  if (Result<void> launched = launch(environment); !launched) {
    failure_ = launched.error().message;
    failure_notice_.schedule();
    return;
  }
  limit_.start(kLimit);
}

Result<void> Upgrade::launch(const std::vector<std::string>& environment) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return system_error("make a line to the new program", errno);
  }
  Fd ours(ends[0]), theirs(ends[1]);
  Result<Fd> list = write_list(inheritance_, theirs.get());
  if (!list) return std::move(list).error();
  std::vector<std::string> variables = environment;
  variables.push_back(fmt::format("BANYAN_HANDOVER={}", list->get()));
  std::vector<std::string> words = program_.arguments;
  const std::vector<char*> argument_pointers = pointers(words), variable_pointers = pointers(variables);
  std::vector<int> kept = descriptors_of(inheritance_, theirs.get());
  kept.push_back(list->get());
  const pid_t pid = fork();
  if (pid == 0) become_it(argument_pointers.data(), variable_pointers.data(), kept, theirs.get());
  if (pid < 0) return system_error("fork", errno);
  pid_ = pid;
  line_ = std::move(ours);
  watch_.emplace(loop_, line_.get(), event::IoWatch::Interest::read, Callback::to<&Upgrade::on_line>(this));
  CHECK(watch_->start());
  return {};
}

// Between fork and exec only calls that are safe after a fork of a process with threads. Why it cannot be
// started goes where the new program would say why it does not start.
void Upgrade::become_it(char* const* arguments, char* const* environment, const std::vector<int>& kept,
                        int line) const {
  for (int number : {SIGPIPE, SIGXFSZ}) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  for (int fd : kept) fcntl(fd, F_SETFD, 0);
  const char* what = program_.folder.c_str();
  if (chdir(what) == 0) {
    what = program_.path.c_str();
    execve(what, arguments, environment);
  }
  const char* why = strerrordesc_np(errno);
  for (const char* part : {what, ": ", why}) {
    [[maybe_unused]] ssize_t written = write(line, part, strlen(part));
  }
  _exit(kCannotStart);
}

// The end of the line comes with the end of the process, which SIGCHLD tells.
void Upgrade::on_line() {
  bool ready = false;
  said_ += hear(line_, ready);
  if (!ready) return;
  limit_.stop();
  watch_.reset();
  observer_.on_upgrade_ready(std::exchange(pid_, 0));
}

void Upgrade::on_limit() {
  failure_ = fmt::format("the new program was not ready within {} s",
                         std::chrono::duration_cast<std::chrono::seconds>(kLimit).count());
  kill(pid_, SIGKILL);
}

void Upgrade::cancel() {
  if (!running()) return;
  failure_ = "this program was told to stop";
  kill(pid_, SIGKILL);
}

bool Upgrade::on_death(pid_t pid, int status) {
  if (pid != pid_ || pid_ == 0) return false;
  limit_.stop();
  watch_.reset();
  bool ready = false;  // too late: it is dead
  said_ += hear(line_, ready);
  line_.reset();
  pid_ = 0;
  if (failure_.empty()) {
    failure_ = said_.empty() ? how_it_ended(status) : "the new program does not start: " + said_;
  }
  failure_notice_.schedule();
  return true;
}

void Upgrade::on_failure_notice() { observer_.on_upgrade_failed(std::exchange(failure_, {})); }

}  // namespace banyan::process
