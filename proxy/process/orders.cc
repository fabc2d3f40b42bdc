#include "process/orders.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "process/configuration.h"
#include "process/pid_file.h"
#include "process/upgrade.h"

namespace banyan::process {
namespace {

struct Answer {
  int status = 0;
  std::string body;
};

Result<Fd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return proxy_error(path + ": is too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // A reload waits for all processes, which has its own limits; this one is for an instance that hangs.
  timeval patience{.tv_sec = 60, .tv_usec = 0};
  if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) {
    return system_error("make a socket", errno);
  }
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return system_error("connect to " + path + " (is banyan running?)", errno);
  }
  return fd;
}

// HTTP/1.0, so that the end of the answer is the end of the connection.
Result<Answer> ask(const std::string& socket, const char* method, const std::string& target) {
  Result<Fd> fd = connect_to(socket);
  if (!fd) return std::move(fd).error();
  std::string request = fmt::format("{} {}", method, target) +
                        " HTTP/1.0\r\nHost: banyan\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  if (send(fd->get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    return system_error("write to " + socket, errno);
  }
  std::string text;
  char part[4096];
  ssize_t got;
  while ((got = recv(fd->get(), part, sizeof part, 0)) > 0) text.append(part, static_cast<size_t>(got));
  if (got < 0) return system_error("read from " + socket, errno);
  Answer answer;
  size_t space = text.find(' ');
  size_t end = text.find("\r\n\r\n");
  if (space == std::string::npos || end == std::string::npos) return proxy_error(socket + ": no answer");
  std::from_chars(text.data() + space + 1, text.data() + end, answer.status);
  answer.body = text.substr(end + 4);
  return answer;
}

// The reasons of a problem, or the warnings of a success: strings in an array.
void print_lines(const nlohmann::json& json, const char* key) {
  auto lines = json.find(key);
  if (lines == json.end() || !lines->is_array()) return;
  for (const nlohmann::json& line : *lines) {
    if (line.is_string()) fmt::print(stderr, "{}\n", line.get_ref<const std::string&>());
  }
}

bool succeeded(const Answer& answer) { return answer.status >= 200 && answer.status < 300; }

int reload(const config::Config& config) {
  Result<Answer> answer = ask(config.admin.socket, "POST", "/reload");
  if (!answer) {
    fmt::print(stderr, "banyan: {}\n", answer.error().message);
    return 1;
  }
  auto json = nlohmann::json::parse(answer->body, nullptr, false);
  if (json.is_object()) {
    print_lines(json, "reasons");
    print_lines(json, "warnings");
  } else if (answer->status >= 300) {
    fmt::print(stderr, "{}\n", answer->body);
  }
  const bool applied = succeeded(*answer);
  fmt::print(stderr, "banyan: reload {}\n", applied ? "applied" : "refused, nothing was changed");
  return applied ? 0 : 1;
}

int send_signal(const config::Config& config, int signal) {
  Result<pid_t> pid = PidFile::read(config.pid_path());
  if (!pid) {
    fmt::print(stderr, "banyan: is not running: {}\n", pid.error().message);
    return 1;
  }
  if (kill(*pid, signal) == 0) return 0;
  fmt::print(stderr, "banyan: signal process {}: {}\n", *pid, std::strerror(errno));
  return 1;
}

// Through the admin API, which knows the outcome; by signal where nobody answers there (the controller is
// being replaced), as the log files have to be opened again in any case.
int reopen(const config::Config& config) {
  Result<Answer> answer = ask(config.admin.socket, "POST", "/logs/reopen");
  if (!answer) return send_signal(config, SIGUSR1);
  if (succeeded(*answer)) return 0;
  auto json = nlohmann::json::parse(answer->body, nullptr, false);
  if (json.is_object()) print_lines(json, "reasons");
  fmt::print(stderr, "banyan: cannot open the logs again\n");
  return 1;
}

// The process that serves the admin API now, once all of its workers are ready.
std::optional<pid_t> serving(const config::Config& config) {
  Result<Answer> ready = ask(config.admin.socket, "GET", "/readyz");
  if (!ready || ready->status != 200) return std::nullopt;
  Result<Answer> status = ask(config.admin.socket, "GET", "/status");
  if (!status) return std::nullopt;
  auto json = nlohmann::json::parse(status->body, nullptr, false);
  auto pid = json.is_object() ? json.find("pid") : json.end();
  if (!json.is_object() || pid == json.end() || !pid->is_number_integer()) return std::nullopt;
  return pid->get<pid_t>();
}

// Done when another process serves. Refused when the old one does, and its file of reasons is there.
int upgrade(const config::Config& config) {
  Result<pid_t> before = PidFile::read(config.pid_path());
  const std::string reasons = upgrade_refused_path(config);
  unlink(reasons.c_str());
  if (int failed = send_signal(config, SIGUSR2); failed != 0) return failed;
  // An old program that still drains is waited for, and then the new one.
  const auto limit = MonotonicClock::now() + config.shutdown_timeout + std::chrono::seconds(90);
  while (MonotonicClock::now() < limit) {
    Result<pid_t> now = PidFile::read(config.pid_path());
    if (now && *now != *before && serving(config) == *now) {
      fmt::print(stderr, "banyan: upgraded, process {} serves\n", *now);
      return 0;
    }
    if (std::ifstream file(reasons); file) {
      std::string why((std::istreambuf_iterator<char>(file)), {});
      fmt::print(stderr, "banyan: upgrade refused, nothing was changed: {}\n", why);
      return 1;
    }
    std::this_thread::sleep_for(Millis(20));
  }
  fmt::print(stderr, "banyan: upgrade: no answer\n");
  return 1;
}

}  // namespace

int send_order(const CommandLine& line) {
  config::Sources sources = config::read_sources(line.source, load_options());
  config::Loaded loaded = config::parse(sources, load_options());
  if (!loaded.ok()) {
    fmt::print(stderr, "{}banyan: configuration {} test failed; nothing was done\n",
               config::to_text(loaded.diagnostics), sources.main);
    return 1;
  }
  switch (line.order) {
    case Order::stop:
      return send_signal(loaded.config, SIGTERM);
    case Order::quit:
      return send_signal(loaded.config, SIGQUIT);
    case Order::reopen:
      return reopen(loaded.config);
    case Order::upgrade:
      return upgrade(loaded.config);
    default:
      return reload(loaded.config);
  }
}

}  // namespace banyan::process
