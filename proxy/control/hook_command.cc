#include "control/hook_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

namespace banyan::control {
namespace {

constexpr size_t kMostOutput = 8 * 1024;
// How soon the end of the command, of its time, and a stop are noticed.
constexpr int kLookMillis = 20;

// Both ends closed at the end.
struct Pipe {
  int read = -1;
  int write = -1;
  bool open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0];
    write = ends[1];
    return true;
  }
  static void close(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
  ~Pipe() {
    close(read);
    close(write);
  }
};

std::vector<char*> pointers(const std::vector<std::string>& texts, char** more = nullptr) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  for (; more && *more; ++more) result.push_back(*more);
  result.push_back(nullptr);
  return result;
}

// Zero, or why not.
int spawn(const CommandRun& run, const Pipe& in, const Pipe& out, pid_t& pid) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&files, in.read, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, out.write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, out.write, STDERR_FILENO);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const std::vector<char*> arguments = pointers(run.command);
  const std::vector<char*> environment = pointers(run.environment, environ);
  const int error =
      posix_spawn(&pid, arguments[0], &files, &attributes, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return error;
}

// One command under way.
class Watch {
 public:
  Watch(const CommandRun& run, Pipe& in, Pipe& out, int line) : run_(run), in_(in), out_(out), line_(line) {
    Pipe::close(in_.read);
    Pipe::close(out_.write);
    fcntl(in_.write, F_SETFL, O_NONBLOCK);
    fcntl(out_.read, F_SETFL, O_NONBLOCK);
  }

  // False when nobody waits for the end any more.
  bool turn() {
    pollfd ends[] = {{out_.read, POLLIN, 0}, {in_.write, POLLOUT, 0}, {line_, POLLRDHUP, 0}};
    // With nothing to hear and nothing to say this is a pause.
    poll(ends, 3, kLookMillis);
    feed();
    read();
    return ends[2].revents == 0;
  }
  void read() {
    char bytes[4096];
    ssize_t count = 0;
    while (out_.read >= 0 && (count = ::read(out_.read, bytes, sizeof bytes)) > 0) {
      output_.append(bytes, std::min(static_cast<size_t>(count), kMostOutput - output_.size()));
    }
    if (count == 0) Pipe::close(out_.read);
  }
  std::string take_output() { return std::move(output_); }

 private:
  void feed() {
    if (in_.write < 0) return;
    const ssize_t count = write(in_.write, run_.input.data() + fed_, run_.input.size() - fed_);
    if (count > 0) fed_ += static_cast<size_t>(count);
    // Who does not want to read it need not.
    if (fed_ == run_.input.size() || (count < 0 && errno != EAGAIN)) Pipe::close(in_.write);
  }

  const CommandRun& run_;
  Pipe& in_;
  Pipe& out_;
  int line_;
  size_t fed_ = 0;
  std::string output_;
};

std::string end_text(int status) {
  if (WIFEXITED(status)) return fmt::format("exit status {}", WEXITSTATUS(status));
  return fmt::format("ended by signal {}", WTERMSIG(status));
}

}  // namespace

CommandEnd run_command(const CommandRun& run, int line) {
  Pipe in, out;
  if (!in.open() || !out.open()) return {false, std::strerror(errno), {}};
  pid_t pid = 0;
  if (const int error = spawn(run, in, out, pid); error != 0) {
    return {false, fmt::format("{}: {}", run.command.front(), std::strerror(error)), {}};
  }
  Watch watch(run, in, out, line);
  const TimePoint end = MonotonicClock::now() + run.timeout;
  int status = 0;
  for (bool wanted = true; waitpid(pid, &status, WNOHANG) == 0; wanted = watch.turn()) {
    const bool late = MonotonicClock::now() >= end;
    if (!late && wanted) continue;
    kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
    watch.read();
    std::string what = late ? fmt::format("killed after {} ms", run.timeout.count()) : "killed: Banyan stops";
    return {false, std::move(what), watch.take_output()};
  }
  watch.read();
  return {WIFEXITED(status) && WEXITSTATUS(status) == 0, end_text(status), watch.take_output()};
}

std::vector<std::string> event_environment(std::string_view event) {
  std::vector<std::string> result;
  const auto object = nlohmann::json::parse(event, nullptr, false);
  if (!object.is_object()) return result;
  for (const auto& [key, value] : object.items()) {
    if (value.is_structured()) continue;
    std::string name = key;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    std::string content = value.is_string() ? value.get<std::string>() : value.dump();
    content = content.substr(0, content.find('\0'));
    result.push_back(fmt::format("BANYAN_{}={}", name, content));
  }
  return result;
}

}  // namespace banyan::control
