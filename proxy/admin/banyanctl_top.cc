#include "admin/banyanctl_top.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <optional>

#include "admin/banyanctl_top_view.h"

namespace banyan::ctl {
namespace {

constexpr char kCtrlC = 3;
volatile std::sig_atomic_t ended = 0;

void on_signal(int) { ended = 1; }

// The alternate screen without a cursor, keys as they come; all of it undone at the end.
class Terminal {
 public:
  Terminal() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
    raw_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    if (raw_) {
      termios keys = before_;
      keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
      tcsetattr(STDIN_FILENO, TCSANOW, &keys);
    }
    put("\x1b[?1049h\x1b[?25l");
  }
  ~Terminal() {
    put("\x1b[?25h\x1b[?1049l");
    if (raw_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  TopOptions size() const {
    winsize window{};
    TopOptions options;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
      options.width = window.ws_col;
      options.height = window.ws_row;
    }
    return options;
  }

  void draw(const std::string& text) {
    std::string screen = "\x1b[H";
    for (const char c : text) screen += c == '\n' ? std::string("\x1b[K\r\n") : std::string(1, c);
    put(screen + "\x1b[J");
  }

  // True when it is time to go: q, Ctrl-C or a signal.
  bool wait(Millis time) {
    const TimePoint end = MonotonicClock::now() + time;
    while (!ended) {
      const auto left = std::chrono::ceil<Millis>(end - MonotonicClock::now());
      if (left.count() <= 0) return false;
      pollfd keys{raw_ ? STDIN_FILENO : -1, POLLIN, 0};
      if (poll(&keys, 1, static_cast<int>(left.count())) <= 0) continue;
      char key = 0;
      if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == kCtrlC) return true;
    }
    return true;
  }

 private:
  static void put(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  termios before_{};
  bool raw_ = false;
};

// One look at the daemon.
struct Look {
  TopCounts counts;
  std::string rollouts;
  std::string status;
  TimePoint when{};
};

Answer look_at(const Access& access, Look& look) {
  Answer metrics = ask(access, "GET", "/metrics");
  look.when = MonotonicClock::now();
  if (metrics.code != kDone) return metrics;
  look.counts = read_counts(metrics.body);
  Answer rollouts = ask(access, "GET", "/rollouts");
  if (rollouts.code != kDone) return rollouts;
  look.rollouts = std::move(rollouts.body);
  Answer status = ask(access, "GET", "/status");
  look.status = status.body;
  return status;
}

double seconds_between(const Look& before, const Look& now) {
  return std::max(0.001, std::chrono::duration<double>(now.when - before.when).count());
}

ExitCode complain(const Answer& answer) {
  fmt::print(stderr, "banyanctl: {}\n", answer.message);
  return answer.code;
}

ExitCode run_once(const Access& access, const TopMode& mode) {
  Look before, now;
  if (const Answer answer = look_at(access, before); answer.code != kDone) return complain(answer);
  poll(nullptr, 0, static_cast<int>(mode.interval.count()));
  if (const Answer answer = look_at(access, now); answer.code != kDone) return complain(answer);
  TopOptions options;
  options.seconds = seconds_between(before, now);
  const std::string text = mode.json ? top_json(before.counts, now.counts, now.rollouts, options)
                                     : top_text(before.counts, now.counts, now.rollouts, now.status, options);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return std::fflush(stdout) == 0 ? kDone : kFailed;
}

}  // namespace

ExitCode run_top(const Access& access, TopMode mode) {
  if (mode.once || mode.json || !isatty(STDOUT_FILENO)) return run_once(access, mode);
  Look before;
  if (const Answer answer = look_at(access, before); answer.code != kDone) return complain(answer);
  Terminal terminal;
  for (bool first = true;; first = false) {
    // At first a short look, so that something stands there soon.
    if (terminal.wait(first ? std::min(mode.interval, Millis(200)) : mode.interval)) return kDone;
    Look now;
    const Answer answer = look_at(access, now);
    TopOptions options = terminal.size();
    options.seconds = seconds_between(before, now);
    if (answer.code == kDone) {
      terminal.draw(top_text(before.counts, now.counts, now.rollouts, now.status, options));
      before = std::move(now);
    } else {
      terminal.draw(answer.message + "\nwaiting for it to come back; q ends\n");
    }
  }
}

}  // namespace banyan::ctl
