#include "process/handover.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "shm/servers.h"
#include "shm/ticket_keys.h"

namespace banyan::process {
namespace {

constexpr char kVariable[] = "BANYAN_HANDOVER";
constexpr size_t kLongestList = 1 << 20;
constexpr char kReady = 1;

std::optional<int> number(std::string_view text) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes over a descriptor that came through exec.
Result<Fd> take(int fd) {
  if (fd <= STDERR_FILENO || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return proxy_error(fmt::format("${}: there is no descriptor {}", kVariable, fd));
  }
  return Fd(fd);
}

// "listen 7 127.0.0.1:80"
Result<void> take_line(const std::string& line, Handover& handover) {
  std::istringstream words(line);
  std::string kind, name;
  int value = -1;
  words >> kind >> value;
  std::getline(words >> std::ws, name);
  if (kind == "master") {
    handover.master = value;
    return {};
  }
  Result<Fd> fd = take(value);
  if (!fd) return std::move(fd).error();
  if (kind == "listen") {
    handover.sockets[name] = std::move(*fd);
  } else if (kind == "admin") {
    handover.admin_sockets[name] = std::move(*fd);
  } else if (kind == "line") {
    handover.line = std::move(*fd);
  } else if (kind == "segment") {
    handover.segment = std::move(*fd);
  } else if (kind == "state") {
    handover.state_lock = std::move(*fd);
  }
  // Of another kind: a later version knows more; closed.
  return {};
}

std::string list_of(const Inheritance& inheritance, int line) {
  std::string text = fmt::format("master {}\nline {}\nsegment {}\nstate {}\n", getpid(), line,
                                 inheritance.segment.fd(), inheritance.state_lock.get());
  for (const auto& [name, fd] : inheritance.sockets) text += fmt::format("listen {} {}\n", fd.get(), name);
  for (const auto& [name, fd] : inheritance.admin_sockets)
    text += fmt::format("admin {} {}\n", fd.get(), name);
  return text;
}

}  // namespace

Result<std::optional<Handover>> Handover::from_environment() {
  const char* variable = getenv(kVariable);
  if (!variable) return std::optional<Handover>();
  const std::optional<int> list = number(variable);
  unsetenv(kVariable);
  if (!list) return proxy_error(fmt::format("${} is no number", kVariable));
  Result<Fd> fd = take(*list);
  if (!fd) return std::move(fd).error();
  std::string text(kLongestList, '\0');
  const ssize_t size = pread(fd->get(), text.data(), text.size(), 0);
  if (size <= 0) return system_error("read what was handed over", errno);
  text.resize(static_cast<size_t>(size));
  Handover handover;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (Result<void> taken = take_line(line, handover); !taken) return std::move(taken).error();
  }
  if (!handover.line) return proxy_error(fmt::format("${}: there is no line to the old master", kVariable));
  return std::optional<Handover>(std::move(handover));
}

Program Program::of(int count, char** arguments) {
  Program program;
  program.arguments.assign(arguments, arguments + count);
  std::error_code error;
  program.folder = std::filesystem::current_path(error).string();
  // Through the name it was called by, so that a link may point to another version by then.
  const std::string& name = program.arguments.at(0);
  program.path = name.find('/') != std::string::npos
                     ? std::filesystem::absolute(name, error).string()
                     : std::filesystem::read_symlink("/proc/self/exe", error).string();
  return program;
}

void take_over_segment(shm::Segment& old, shm::Segment& fresh, const config::Config& config) {
  shm::ticket_keys(fresh).write(shm::ticket_keys(old).read());
  shm::Directory before(old), now(fresh);
  for (const config::Upstream& upstream : config.upstreams) {
    for (const config::Server& server : upstream.servers) {
      const std::string name = shm::server_name(upstream.name, server.address.text());
      const uint32_t then = before.find(shm::Kind::server, name);
      if (then != 0) {
        shm::set_server_order(fresh, now.find(shm::Kind::server, name), shm::server_order(old, then));
      }
    }
  }
}

// Each fits into the socket's buffer. If the old master is gone, nobody needs it.
void say_ready(const Fd& line) { [[maybe_unused]] ssize_t sent = write(line.get(), &kReady, 1); }

void say_why_not(const Fd& line, std::string_view why) {
  constexpr size_t kMost = 8192;
  [[maybe_unused]] ssize_t sent = write(line.get(), why.data(), std::min(why.size(), kMost));
}

std::string hear(const Fd& line, bool& ready) {
  std::string text;
  char buffer[1024];
  ssize_t got;
  while ((got = read(line.get(), buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(got));
  ready = !text.empty() && text[0] == kReady;
  return ready ? std::string() : text;
}

Result<Fd> write_list(const Inheritance& inheritance, int line) {
  const std::string text = list_of(inheritance, line);
  Fd fd(memfd_create("banyan-handover", 0));
  if (!fd) return system_error("memfd_create", errno);
  if (text.size() > kLongestList ||
      write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return system_error("write what is handed over", errno);
  }
  return fd;
}

std::vector<int> descriptors_of(const Inheritance& inheritance, int line) {
  std::vector<int> all = {line, inheritance.segment.fd(), inheritance.state_lock.get()};
  for (const auto& [name, fd] : inheritance.sockets) all.push_back(fd.get());
  for (const auto& [name, fd] : inheritance.admin_sockets) all.push_back(fd.get());
  return all;
}

}  // namespace banyan::process
