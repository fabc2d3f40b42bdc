// Names to addresses, off the loop: the system's own look-up (getaddrinfo: /etc/hosts, DNS, whatever nsswitch
// says) runs on the thread pool, its answers are kept.
//
//   no answer yet        look up; whoever asks meanwhile waits for the same look-up
//   fresh answer         given as it is
//   old answer           given as it is, and looked up again in the background
//   failed look-up       the last good answer stays; without one the error is given for a short while
//
// The system does not tell how long an answer is good (no TTL), so `refresh` says it for all. Meant for the
// names a configuration holds, which are few: entries stay for ever.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/thread_pool.h"
#include "net/ip_address.h"

namespace banyan::net {

class Resolver {
 public:
  // At least one; in the system's order of preference (RFC 6724), without ports.
  using Addresses = std::vector<IpAddress>;
  // A blocking look-up, called on pool threads; at once for different names.
  using LookUp = std::function<Result<Addresses>(const std::string& name)>;

  struct Options {
    Millis refresh = Millis(30'000);  // how long an answer is fresh
    Millis retry = Millis(1000);      // no look-up of a name sooner than this after one that failed
  };

  class Listener {
   public:
    // The answer, or an error: 502 "dns_error" or 504 "dns_timeout" (RFC 9209), nothing_sent. Comes from the
    // loop, never inside resolve(). May destroy the handle.
    virtual void on_resolved(const Result<Addresses>& addresses) = 0;

   protected:
    ~Listener() = default;
  };

  // One question. Destroying it means: do not tell.
  class Question {
   public:
    virtual ~Question() = default;
  };

  // The pool must outlive the resolver, which must outlive its questions.
  Resolver(event::Loop& loop, event::ThreadPool& pool, Options options, LookUp look_up = look_up_by_system);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Asks; the listener is told once.
  [[nodiscard]] std::unique_ptr<Question> resolve(std::string_view name, Listener& listener);
  // The last good answer, however old, or null. Valid until the loop's next turn.
  const Addresses* find(std::string_view name) const;

  // getaddrinfo for TCP.
  static Result<Addresses> look_up_by_system(const std::string& name);

 private:
  class Waiter;
  struct Entry;
  void refresh(Entry& entry);
  void on_looked_up(Entry& entry, Result<Addresses> answer);
  void keep(Entry& entry, Result<Addresses> answer);

  event::Loop& loop_;
  event::ThreadPool& pool_;
  Options options_;
  LookUp look_up_;
  std::map<std::string, std::unique_ptr<Entry>, std::less<>> entries_;
};

}  // namespace banyan::net
