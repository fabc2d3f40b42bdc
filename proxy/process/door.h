// One listening socket: accepts, reads the PROXY header where the listener says so, and hands on what is a
// client.
#pragma once

#include <poll.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "event/io.h"
#include "event/loop.h"
#include "event/timer.h"
#include "net/listener.h"
#include "net/proxy_protocol.h"

namespace banyan::process {

class Door final : private net::Listener::Acceptor {
 public:
  class Owner {
   public:
    // A connected, non-blocking descriptor, which belongs to the owner. Not inside a call to the door.
    virtual void on_client(Door& door, int fd, const net::IpAddress& peer) = 0;
    // greetings() is another number.
    virtual void on_greetings_changed() {}

   protected:
    ~Owner() = default;
  };

  // Closed at first. `fd` stays the caller's and must outlive the door.
  Door(event::Loop& loop, int fd, std::string address, Owner& owner);
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  const std::string& address() const { return address_; }
  // From now on each connection begins with a PROXY header, which must be there within `time` (0: no limit).
  void expect_proxy_header(bool expect, Millis time);
  bool open() { return listener_.resume(); }
  void pause() { listener_.pause(); }
  // Nobody waits in the kernel's queue.
  bool quiet() const;
  // Connections whose PROXY header has not come yet. They are in the door: whoever destroys it cuts them.
  size_t greetings() const { return greetings_.size(); }

 private:
  class Greeting;

  void on_accept(int fd, const net::IpAddress& peer) override;
  void on_greeted(Greeting& greeting, const net::IpAddress& peer);
  void drop(Greeting& greeting);

  event::Loop& loop_;
  int fd_;
  std::string address_;
  Owner& owner_;
  net::Listener listener_;
  bool expect_header_ = false;
  Millis header_time_{};
  std::unordered_map<Greeting*, std::unique_ptr<Greeting>> greetings_;
};

}  // namespace banyan::process
