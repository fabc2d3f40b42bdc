// The error log: what operators read when something is wrong.
//
//   2026-11-21T01:23:28.123Z warn [4711 worker/0] content: upstream node: connection refused while connecting
//
// A line is formatted by the caller's thread and handed to the process's one sink, which is set at start by
// process/ and must be quick (it queues; a slow disk never holds the loop). Log scopes add what the line
// belongs to: `log::Scope scope("route ", name)` puts its words before every message logged below it.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace banyan::log {

enum class Level { debug, info, notice, warn, error };

// "debug" … "error"; parse_level gives false for other words.
std::string_view level_name(Level level);
bool parse_level(std::string_view name, Level& level);

// Lines below `level` are not even formatted. Default: info.
void set_level(Level level);
bool enabled(Level level);

// What stands in brackets after the pid: "master", "controller", "worker/0".
void set_role(std::string role);

// Where whole lines (with newline) go. Default: standard error. The function must not throw or block.
using Sink = void (*)(void* self, std::string_view line);
void set_sink(Sink sink, void* self);

// Formats and hands one line to the sink.
void write(Level level, std::string_view message);

// Words that stand before the messages of this thread while the scope lives. The text must outlive it.
class Scope {
 public:
  explicit Scope(std::string_view text);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  const Scope* outer() const { return outer_; }
  std::string_view text() const { return text_; }

 private:
  const Scope* outer_;
  std::string_view text_;
};

}  // namespace banyan::log

// LOG(warn, "worker {} died: {}", pid, why)
#define LOG(level, ...)                                                              \
  do {                                                                               \
    if (::banyan::log::enabled(::banyan::log::Level::level))                         \
      ::banyan::log::write(::banyan::log::Level::level, ::fmt::format(__VA_ARGS__)); \
  } while (false)
