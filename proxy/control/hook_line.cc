#include "control/hook_line.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

namespace banyan::control {
namespace {

// Longer than a line of the journal, and than what run_command() collects.
constexpr size_t kLongest = 256 * 1024;
// A command is killed in time by its process; this is for a process that is not there any more.
constexpr Millis kGrace{5000};

CommandEnd parse_end(const std::string& text) {
  const auto object = nlohmann::json::parse(text, nullptr, false);
  if (!object.is_object()) return {false, "it could not be started; the master's log says why", {}};
  return {object.value("ok", false), object.value("what", ""), object.value("output", "")};
}

std::string end_text(const CommandEnd& end) {
  const nlohmann::json object = {{"ok", end.ok}, {"what", end.what}, {"output", end.output}};
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

bool send_all(int line, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = send(line, text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

}  // namespace

HookLine::HookLine(event::Loop& loop, Listener& listener)
    : loop_(loop),
      listener_(listener),
      patience_(loop, Callback::to<&HookLine::on_late>(this)),
      failure_notice_(loop, Callback::to<&HookLine::on_failure>(this)) {}

HookLine::~HookLine() {
  watch_.reset();
  if (line_ >= 0) close(line_);
}

void HookLine::start(HookStarter& starter, const std::string& rollout, const std::string& event,
                     Millis timeout) {
  if (Result<void> opened = open(starter, rollout, event); !opened) {
    failure_ = opened.error().message;
    return failure_notice_.schedule();
  }
  patience_.start(timeout + kGrace);
}

// An event fits into the socket's buffer, so it is sent at once or never.
Result<void> HookLine::open(HookStarter& starter, const std::string& rollout, const std::string& event) {
  Result<int> line = starter.start_hook(rollout);
  if (!line) return std::move(line).error();
  line_ = *line;
  const std::string text = event + "\n";
  const ssize_t count = send(line_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count != static_cast<ssize_t>(text.size())) return system_error("send the event", errno);
  watch_.emplace(loop_, line_, event::IoWatch::Interest::read, Callback::to<&HookLine::on_readable>(this),
                 event::IoWatch::Trigger::level);
  if (!watch_->start()) return system_error("watch the command", ENOMEM);
  return {};
}

void HookLine::on_readable() {
  char bytes[4096];
  const ssize_t count = recv(line_, bytes, sizeof bytes, MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count > 0 && answer_.size() < kLongest) {
    answer_.append(bytes, static_cast<size_t>(count));
    return;
  }
  end(parse_end(answer_));
}

void HookLine::on_late() { end({false, "its process does not answer", {}}); }

void HookLine::end(const CommandEnd& how) {
  watch_.reset();
  patience_.stop();
  listener_.on_hook_end(how);
}

void serve_hook(int line, const config::RolloutHook& hook) {
  std::string event;
  char bytes[4096];
  while (event.empty() || event.back() != '\n') {
    const ssize_t count = recv(line, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0 || event.size() > kLongest) return;
    event.append(bytes, static_cast<size_t>(count));
  }
  const CommandRun run{hook.command, event_environment(event), event, hook.timeout};
  send_all(line, end_text(run_command(run, line)));
}

}  // namespace banyan::control
