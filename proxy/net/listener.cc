#include "net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/log.h"
#include "event/loop.h"
#include "net/socket_io.h"

namespace banyan::net {
namespace {

constexpr Duration kLogPause = std::chrono::seconds(1);

// Errors that the kernel passes on from the connection itself (accept(2)); the next one may be fine. After
// all others (no descriptor, no memory) trying again at once would only burn the processor.
bool concerns_one_connection(int error_number) {
  switch (error_number) {
    case ECONNABORTED:
    case EINTR:
    case EPERM:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
      return true;
    default:
      return false;
  }
}

}  // namespace

Listener::Listener(event::Loop& loop, int fd, std::string name, Acceptor& acceptor)
    : Listener(loop, fd, std::move(name), acceptor, Limits{}) {}

Listener::Listener(event::Loop& loop, int fd, std::string name, Acceptor& acceptor, Limits limits)
    : loop_(loop),
      fd_(fd),
      name_(std::move(name)),
      acceptor_(acceptor),
      limits_(limits),
      watch_(loop, fd, event::IoWatch::Interest::read, Callback::to<&Listener::on_ready>(this),
             event::IoWatch::Trigger::level),
      rest_timer_(loop, Callback::to<&Listener::on_rested>(this)) {
  // Accepted TCP sockets inherit it: one call less for each. A unix socket refuses it, which does not matter.
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  open_reserve();
}

Listener::~Listener() {
  if (reserve_fd_ >= 0) close(reserve_fd_);
}

bool Listener::resume() {
  wanted_ = true;
  return rest_timer_.running() || watch_.start();
}

void Listener::pause() {
  wanted_ = false;
  rest_timer_.stop();
  watch_.stop();
}

// An accept that finds nobody costs a call, so more than one is tried only while they come in crowds.
void Listener::on_ready() {
  for (int i = 0; i < burst_ && wanted_; ++i) {
    if (accept_one()) continue;
    burst_ = 1;
    return;
  }
  burst_ = std::min(2 * burst_, limits_.accepts_per_turn);
}

// False when there is no more to be had in this turn.
bool Listener::accept_one() {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  int fd = accept4(fd_, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    acceptor_.on_accept(fd, IpAddress::of_sockaddr(address));
    return true;
  }
  if (errno == EAGAIN) return false;
  if (concerns_one_connection(errno)) return true;
  on_failure(errno);
  return false;
}

// First leaves the waiting clients to the other workers. If some are there right after a rest, nobody has
// room for them, and a quick refusal serves them better than silence.
void Listener::on_failure(int error_number) {
  if (loop_.now() - rested_at_ < limits_.rest) refuse_waiting();
  log_failure(error_number);
  watch_.stop();
  rest_timer_.start(limits_.rest);
}

void Listener::refuse_waiting() {
  if (reserve_fd_ < 0) return open_reserve();
  close(reserve_fd_);
  constexpr int kMostAtOnce = 64;
  for (int i = 0; i < kMostAtOnce; ++i) {
    int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) break;
    set_reset_on_close(fd);
    close(fd);
    ++refused_;
  }
  open_reserve();
}

void Listener::on_rested() {
  rested_at_ = loop_.now();
  // A watch the kernel refuses now is asked for again after the next rest.
  if (!watch_.start()) rest_timer_.start(limits_.rest);
}

void Listener::log_failure(int error_number) {
  if (logged_at_ != TimePoint{} && loop_.now() - logged_at_ < kLogPause) return;
  logged_at_ = loop_.now();
  LOG(error, "listener {}: accept: {}; {} connections refused so far", name_, strerrordesc_np(error_number),
      refused_);
}

// A descriptor kept back, so that there is one to accept with and close when all others are in use.
void Listener::open_reserve() { reserve_fd_ = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0); }

}  // namespace banyan::net
