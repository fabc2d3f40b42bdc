#include "control/event_hooks.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "base/log.h"
#include "net/hmac.h"

namespace banyan::control {

struct EventHooks::Event {
  uint64_t sequence;
  std::string verb;
  std::string text;  // JSON, one line without its end
};

// One way to tell of one rollout's events: in order, one at a time.
class EventHooks::Way {
 public:
  Way(EventHooks& hooks, std::string name)
      : hooks_(hooks), name_(std::move(name)), timer_(hooks.here_.loop, Callback::to<&Way::attempt>(this)) {}
  virtual ~Way() = default;

  void set_hook(const config::RolloutHook& hook) { hook_ = hook; }

  void add(Event event) {
    const bool idle = waiting_.empty();
    if (waiting_.size() >= kMostWaiting) {
      // The first may be under way.
      LOG(error, "{}: too many events wait: number {} is dropped", name_, waiting_[1].sequence);
      waiting_.erase(waiting_.begin() + 1);
    }
    waiting_.push_back(std::move(event));
    if (idle) attempt();
  }

 protected:
  virtual void start(const Event& event) = 0;

  // How the attempt under way has ended; an empty text: well. From the loop.
  void on_attempt_end(const std::string& failure) {
    const Event& event = waiting_.front();
    if (failure.empty()) {
      LOG(info, "{}: event {} ({}) delivered", name_, event.sequence, event.verb);
    } else if (attempts_ < hook_.attempts) {
      LOG(warn, "{}: event {} ({}), attempt {} of {}: {}", name_, event.sequence, event.verb, attempts_,
          hook_.attempts, failure);
      timer_.start(pause());
      return;
    } else {
      LOG(error, "{}: event {} ({}) is given up after {} attempts: {}", name_, event.sequence, event.verb,
          attempts_, failure);
    }
    waiting_.pop_front();
    attempts_ = 0;
    if (!waiting_.empty()) attempt();
  }

  EventHooks& hooks_;
  std::string name_;
  config::RolloutHook hook_;

 private:
  void attempt() {
    ++attempts_;
    start(waiting_.front());
  }

  Millis pause() {
    const Millis whole = std::min<Millis>(hooks_.here_.first_pause * (1L << std::min(attempts_ - 1, 20u)),
                                          hooks_.here_.longest_pause);
    return whole / 2 + Millis(hooks_.random_.below(static_cast<uint64_t>(whole.count() / 2 + 1)));
  }

  std::deque<Event> waiting_;  // the first is under way, or waits for its next attempt
  unsigned attempts_ = 0;      // of the first
  event::Timer timer_;
};

class EventHooks::Webhook final : public Way, private net::Fetcher::Listener {
 public:
  using Way::Way;

 private:
  void start(const Event& event) override {
    net::FetchRequest request;
    request.url = hook_.url;
    request.method = "POST";
    request.fields = {{"Content-Type", "application/json"},
                      {"X-Banyan-Event", event.verb},
                      {"X-Banyan-Delivery", fmt::format("{}", event.sequence)}};
    for (const auto& [name, value] : hook_.headers) request.fields.push_back({name, value});
    if (!hook_.secret.value.empty()) {
      request.fields.push_back(
          {"X-Banyan-Signature", "sha256=" + net::hmac_sha256_hex(hook_.secret.value, event.text)});
    }
    request.body = event.text;
    request.deadline = hooks_.here_.loop.now() + hook_.timeout;
    request.max_body = 64 * 1024;
    fetch_ = hooks_.here_.fetcher.start(std::move(request), *this);
  }

  void on_fetched(net::Fetch&, Result<net::FetchResponse> result) override {
    fetch_.reset();
    if (!result) return on_attempt_end(result.error().message);
    const bool taken = result->status >= 200 && result->status < 300;
    on_attempt_end(taken ? std::string() : fmt::format("answered {}", result->status));
  }

  std::unique_ptr<net::Fetch> fetch_;
};

// Another process runs it: see hook_line.h.
class EventHooks::Command final : public Way, private HookLine::Listener {
 public:
  Command(EventHooks& hooks, std::string rollout)
      : Way(hooks, fmt::format("rollout {}: command", rollout)), rollout_(std::move(rollout)) {}

 private:
  void start(const Event& event) override {
    line_ = std::make_unique<HookLine>(hooks_.here_.loop, static_cast<HookLine::Listener&>(*this));
    line_->start(hooks_.here_.starter, rollout_, event.text, hook_.timeout);
  }

  void on_hook_end(const CommandEnd& end) override {
    hooks_.here_.loop.dispose(std::move(line_));
    for (size_t begin = 0; begin < end.output.size();) {
      const size_t stop = std::min(end.output.find('\n', begin), end.output.size());
      LOG(info, "{}: {}", name_, end.output.substr(begin, stop - begin));
      begin = stop + 1;
    }
    on_attempt_end(end.ok ? std::string() : end.what);
  }

  std::string rollout_;
  std::unique_ptr<HookLine> line_;
};

EventHooks::EventHooks(const Surroundings& here) : here_(here) {}
EventHooks::~EventHooks() = default;

void EventHooks::adopt(const std::vector<config::Rollout>& rollouts) {
  std::map<std::string, Ways, std::less<>> next;
  for (const config::Rollout& rollout : rollouts) {
    if (!rollout.on_event) continue;
    Ways ways;
    if (auto old = ways_.find(rollout.name); old != ways_.end()) ways = std::move(old->second);
    const auto keep = [&](std::unique_ptr<Way>& way, bool wanted, auto make) {
      if (!wanted) return way.reset();
      if (!way) way = make();
      way->set_hook(*rollout.on_event);
    };
    keep(ways.webhook, !rollout.on_event->url.empty(),
         [&] { return std::make_unique<Webhook>(*this, fmt::format("rollout {}: webhook", rollout.name)); });
    keep(ways.command, !rollout.on_event->command.empty(),
         [&] { return std::make_unique<Command>(*this, rollout.name); });
    next.emplace(rollout.name, std::move(ways));
  }
  ways_ = std::move(next);
}

void EventHooks::look(const RolloutBook& book) {
  std::vector<JournalEntry> entries = book.history(kMostWaiting);
  std::reverse(entries.begin(), entries.end());
  for (const JournalEntry& entry : entries) {
    if (entry.sequence <= seen_) continue;
    seen_ = entry.sequence;
    const auto ways = ways_.find(entry.rollout);
    if (!looked_ || ways == ways_.end()) continue;
    std::string text = journal_line(entry);
    text.pop_back();
    const Event event{entry.sequence, entry.verb, std::move(text)};
    if (ways->second.webhook) ways->second.webhook->add(event);
    if (ways->second.command) ways->second.command->add(event);
  }
  looked_ = true;
}

}  // namespace banyan::control
