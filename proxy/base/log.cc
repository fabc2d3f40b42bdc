#include "base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <ctime>

namespace banyan::log {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"debug", "info", "notice", "warn", "error"};

void write_to_stderr(void*, std::string_view line) {
  // Nothing sensible can be done when standard error is gone.
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

// The log is the process's own root state: one level, one sink, one role.
struct Root {
  std::atomic<Level> level{Level::info};
  Sink sink = write_to_stderr;
  void* sink_self = nullptr;
  std::string role = "banyan";
};

Root& root() {
  static Root instance;
  return instance;
}

thread_local const Scope* innermost_scope = nullptr;

void append_scopes(std::string& line, const Scope* scope) {
  if (!scope) return;
  append_scopes(line, scope->outer());
  line += scope->text();
  line += ": ";
}

}  // namespace

std::string_view level_name(Level level) { return kNames[static_cast<size_t>(level)]; }

bool parse_level(std::string_view name, Level& level) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) {
      level = static_cast<Level>(i);
      return true;
    }
  }
  return false;
}

void set_level(Level level) { root().level.store(level, std::memory_order_relaxed); }
bool enabled(Level level) { return level >= root().level.load(std::memory_order_relaxed); }
void set_role(std::string role) { root().role = std::move(role); }

void set_sink(Sink sink, void* self) {
  root().sink = sink ? sink : write_to_stderr;
  root().sink_self = self;
}

void write(Level level, std::string_view message) {
  auto now = std::chrono::system_clock::now();
  auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::string line = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z {} [{} {}] ", utc.tm_year + 1900,
                                 utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, millis,
                                 level_name(level), getpid(), root().role);
  append_scopes(line, innermost_scope);
  for (char c : message) line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;  // no forged lines
  line += '\n';
  root().sink(root().sink_self, line);
}

Scope::Scope(std::string_view text) : outer_(innermost_scope), text_(text) { innermost_scope = this; }
Scope::~Scope() { innermost_scope = outer_; }

}  // namespace banyan::log
