#include "process/notifier.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "process/fd.h"

namespace banyan::process {
namespace {

std::string take_variable(const char* name) {
  const char* value = getenv(name);
  std::string text = value ? value : "";
  unsetenv(name);
  return text;
}

std::optional<long long> number(const std::string& text) {
  long long value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Notifier Notifier::from_environment() {
  Notifier notifier(take_variable("NOTIFY_SOCKET"));
  std::string pid = take_variable("WATCHDOG_PID");
  auto micros = number(take_variable("WATCHDOG_USEC"));
  bool is_for_us = pid.empty() || number(pid) == getpid();
  if (notifier.active() && is_for_us && micros && *micros > 0) {
    notifier.watchdog_ = std::chrono::microseconds(*micros) / 2;
  }
  return notifier;
}

std::vector<std::string> Notifier::environment() const {
  std::vector<std::string> variables;
  if (active()) variables.push_back("NOTIFY_SOCKET=" + socket_);
  if (watchdog_) {
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(*watchdog_ * 2).count();
    variables.push_back(fmt::format("WATCHDOG_USEC={}", micros));
  }
  return variables;
}

void Notifier::ready(std::string_view status) {
  send(fmt::format("READY=1\nMAINPID={}\nSTATUS={}\n", getpid(), status));
}

void Notifier::reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  long long micros = now.tv_sec * 1'000'000LL + now.tv_nsec / 1000;
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reloading\n", micros));
}

void Notifier::handed_to(pid_t pid, std::string_view status) {
  send(fmt::format("MAINPID={}\nSTATUS={}\n", pid, status));
}

void Notifier::stopping(std::string_view status) { send(fmt::format("STOPPING=1\nSTATUS={}\n", status)); }
void Notifier::alive() { send("WATCHDOG=1\n"); }

void Notifier::send(std::string_view text) const {
  if (!active()) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') address.sun_path[0] = '\0';
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  Fd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
                    length) < 0) {
    LOG(warn, "cannot tell the service manager at {}: {}", socket_, std::strerror(errno));
  }
}

}  // namespace banyan::process
