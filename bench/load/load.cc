#include "load.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <limits>

namespace bench {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kGrace = 5'000'000;  // how long the last requests of an open loop are awaited

int64_t now_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

int64_t microseconds_of(double seconds) { return static_cast<int64_t>(seconds * 1e6); }

}  // namespace

Load::Load(const Settings& settings)
    : settings_(settings),
      requests_(settings),
      clients_(settings.connections),
      space_(256 * 1024),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (settings.tls) tls_ = std::make_unique<TlsClient>(settings.resume);
}

void Load::open_all() {
  opening_ = true;
  count_from_ = now_us();
  for (size_t i = 0; i < clients_.size(); ++i) {
    connect(i);
    start(i, now_us());
    // As many under way as a backlog holds.
    while (i + 1 - report_.requests > 100) look(now_us() + 10'000);
  }
  while (report_.requests < clients_.size()) look(now_us() + 10'000);
  opening_ = false;
}

Report Load::run(void (*begin)()) {
  if (settings_.under_way > 0) open_all();
  report_ = {};
  const int64_t began = now_us();
  count_from_ = began + microseconds_of(settings_.warm_up);
  plan_end_ = count_from_ + microseconds_of(settings_.seconds);
  next_arrival_ = static_cast<double>(began);
  start_all(began);
  while (now_us() < count_from_) look(count_from_);
  count_from_ = now_us();
  begin();
  while (now_us() < plan_end_) look(plan_end_);
  report_.seconds = static_cast<double>(now_us() - count_from_) / 1e6;
  if (settings_.rate > 0) {
    while (unanswered_ > 0 && now_us() < plan_end_ + kGrace) look(plan_end_ + kGrace);
    report_.broken += unanswered_;
  }
  return std::move(report_);
}

void Load::start_all(int64_t now) {
  for (size_t i = 0; i < settings_.under_way; ++i) start_in_turn(now);
  if (settings_.under_way > 0) return;
  for (size_t i = 0; i < clients_.size(); ++i) {
    connect(i);
    if (settings_.rate > 0) {
      free_.push_back(i);
    } else {
      start(i, now);
    }
  }
}

void Load::connect(size_t number) {
  Client& client = clients_[number];
  client.wire.reset();  // closed first: its place is taken
  client.wire = std::make_unique<Wire>(settings_, tls_.get(), number);
  client.answers.reset();
  client.handshake_counted = false;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.u64 = number;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, client.wire->fd(), &event) != 0) die("epoll_ctl");
}

void Load::start(size_t number, int64_t planned) {
  Client& client = clients_[number];
  client.planned = planned;
  client.to_send = requests_.next();
  client.awaited = settings_.pipeline;
  write(client);
}

// On the next connection that is free; one is, as fewer are under way.
void Load::start_in_turn(int64_t now) {
  do {
    turn_ = (turn_ + 1) % clients_.size();
  } while (clients_[turn_].awaited > 0);
  start(turn_, now);
}

void Load::look(int64_t until) {
  std::array<epoll_event, 256> events{};
  if (settings_.rate > 0) {
    plan_until(now_us());
    until = std::min(until, static_cast<int64_t>(next_arrival_));
  }
  const int64_t wait = std::max<int64_t>(0, until - now_us());
  const timespec timeout{wait / 1'000'000, wait % 1'000'000 * 1000};
  const int count = epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
  if (count < 0 && errno != EINTR) die("epoll_pwait2");
  for (int i = 0; i < count; ++i) on_event(events[static_cast<size_t>(i)].data.u64);
}

// Starts what is due, or puts it into the queue.
void Load::plan_until(int64_t now) {
  std::exponential_distribution<double> gap(settings_.rate / 1e6);
  while (next_arrival_ <= static_cast<double>(now)) {
    const auto planned = static_cast<int64_t>(next_arrival_);
    next_arrival_ += gap(random_);
    if (planned >= plan_end_) {
      next_arrival_ = static_cast<double>(kNever / 2);
      return;
    }
    if (planned >= count_from_) ++unanswered_;
    waiting_.push_back(planned);
  }
  while (!waiting_.empty() && !free_.empty()) {
    const size_t number = free_.back();
    free_.pop_back();
    const int64_t planned = waiting_.front();
    waiting_.pop_front();
    start(number, planned);
  }
}

void Load::on_event(size_t number) {
  write(clients_[number]);
  read(number);
}

void Load::write(Client& client) {
  while (!client.to_send.empty()) {
    const Wire::Result result = client.wire->send(client.to_send);
    if (result.state != Wire::State::done) return;  // when it is closed, reading says so
    client.to_send.remove_prefix(result.size);
  }
}

void Load::read(size_t number) {
  while (true) {
    Client& client = clients_[number];
    const Wire::Result result = client.wire->receive(space_);
    if (result.state == Wire::State::blocked) {
      // The handshake ends in a read; what waited for it can go now.
      if (tls_) write(client);
      return;
    }
    if (result.state == Wire::State::closed) return broke(number);
    const Answers::Seen seen = client.answers.take({space_.data(), result.size});
    if (seen.complete == 0) continue;
    if (seen.complete > client.awaited) die("more answers than requests");
    client.awaited -= seen.complete;
    const int64_t now = now_us();
    if (client.planned >= count_from_ || (settings_.rate == 0 && now >= count_from_)) {
      report_.requests += seen.complete;
      report_.errors += seen.errors;
      report_.latencies.insert(report_.latencies.end(), seen.complete,
                               static_cast<uint32_t>(now - client.planned));
      if (settings_.rate > 0) --unanswered_;
    }
    if (client.awaited > 0) continue;
    if (!client.to_send.empty()) {
      errno = EPROTO;
      die("an answer before the end of the request");
    }
    return on_answered(number, now);
  }
}

void Load::on_answered(size_t number, int64_t now) {
  Client& client = clients_[number];
  if (opening_) return;
  if (now >= count_from_ && !client.handshake_counted) {
    client.handshake_counted = true;
    report_.resumed += client.wire->resumed() ? 1 : 0;
  }
  if (settings_.close) connect(number);
  if (settings_.under_way > 0) return start_in_turn(now);
  if (settings_.rate == 0) return start(number, now);
  free_.push_back(number);
  plan_until(now);
}

void Load::broke(size_t number) {
  Client& client = clients_[number];
  if (opening_) die("a connection to be held was closed");
  if (client.awaited == 0) return connect(number);  // an idle one, which a server may close
  ++report_.broken;
  const int64_t planned = client.planned;
  connect(number);
  start(number, planned);
}

}  // namespace bench
