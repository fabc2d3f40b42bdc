#include "process/door.h"

#include "base/check.h"
#include "base/log.h"
#include "process/fd.h"

namespace banyan::process {

// A connection whose PROXY header has not come yet.
class Door::Greeting final : public event::Disposable {
 public:
  Greeting(Door& door, int fd, const net::IpAddress& peer)
      : door_(door),
        fd_(fd),
        peer_(peer),
        watch_(door.loop_, fd, event::IoWatch::Interest::read, Callback::to<&Greeting::on_readable>(this)),
        timer_(door.loop_, Callback::to<&Greeting::on_timeout>(this)) {}

  bool start() {
    if (door_.header_time_.count() > 0) timer_.start(door_.header_time_);
    return watch_.start();
  }
  int release() {
    watch_.stop();
    return fd_.release();
  }

 private:
  void on_readable() {
    if (!fd_) return;
    auto header = net::take_proxy_header(fd_.get());
    if (!header) {
      net::IpAddress::TextBuffer text;
      LOG(info, "{}: PROXY header from {}: {}", door_.address_, peer_.text(text), header.error().message);
      return door_.drop(*this);
    }
    if (*header) door_.on_greeted(*this, (*header)->source ? *(*header)->source : peer_);
  }
  void on_timeout() { door_.drop(*this); }

  Door& door_;
  Fd fd_;
  net::IpAddress peer_;
  event::IoWatch watch_;
  event::Timer timer_;
};

Door::Door(event::Loop& loop, int fd, std::string address, Owner& owner)
    : loop_(loop),
      fd_(fd),
      address_(std::move(address)),
      owner_(owner),
      listener_(loop, fd, address_, *this) {}

Door::~Door() = default;

void Door::expect_proxy_header(bool expect, Millis time) {
  expect_header_ = expect;
  header_time_ = time;
}

bool Door::quiet() const {
  pollfd waiting{fd_, POLLIN, 0};
  return poll(&waiting, 1, 0) <= 0;
}

void Door::on_accept(int fd, const net::IpAddress& peer) {
  if (!expect_header_) return owner_.on_client(*this, fd, peer);
  auto greeting = std::make_unique<Greeting>(*this, fd, peer);
  if (!greeting->start()) return;
  Greeting* key = greeting.get();
  greetings_.emplace(key, std::move(greeting));
  owner_.on_greetings_changed();
}

void Door::on_greeted(Greeting& greeting, const net::IpAddress& peer) {
  owner_.on_client(*this, greeting.release(), peer);
  drop(greeting);
}

void Door::drop(Greeting& greeting) {
  auto found = greetings_.find(&greeting);
  CHECK(found != greetings_.end());
  loop_.dispose(std::move(found->second));
  greetings_.erase(found);
  owner_.on_greetings_changed();
}

}  // namespace banyan::process
