#include "net/resolver.h"

#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/log.h"
#include "event/deferred.h"
#include "event/loop.h"

namespace banyan::net {
namespace {

Error resolve_error(const std::string& name, int code, int error_number) {
  bool is_timeout = code == EAI_AGAIN;
  std::string why = code == EAI_SYSTEM ? std::generic_category().message(error_number) : gai_strerror(code);
  Error error = upstream_error(is_timeout ? 504 : 502, is_timeout ? "dns_timeout" : "dns_error",
                               fmt::format("resolve {}: {}", name, why));
  error.nothing_sent = true;
  return error;
}

}  // namespace

// What is known of a name.
struct Resolver::Entry {
  explicit Entry(std::string_view n) : name(n) {}
  std::string name;
  std::optional<Result<Addresses>> answer;  // an error only if there never was a good one
  TimePoint next_look_up{};
  bool failing = false;  // the last look-up
  event::PoolJob job;
  std::vector<Waiter*> waiters;  // for the end of the look-up under way
};

class Resolver::Waiter final : public Question {
 public:
  Waiter(event::Loop& loop, Entry& entry, Listener& listener)
      : entry_(entry), listener_(listener), notice_(loop, Callback::to<&Waiter::tell>(this)) {}
  ~Waiter() override { std::erase(entry_.waiters, this); }

  void schedule() { notice_.schedule(); }

 private:
  void tell() { listener_.on_resolved(*entry_.answer); }

  Entry& entry_;
  Listener& listener_;
  event::Deferred notice_;
};

Resolver::Resolver(event::Loop& loop, event::ThreadPool& pool, Options options, LookUp look_up)
    : loop_(loop), pool_(pool), options_(options), look_up_(std::move(look_up)) {}

Resolver::~Resolver() = default;

std::unique_ptr<Resolver::Question> Resolver::resolve(std::string_view name, Listener& listener) {
  auto found = entries_.find(name);
  if (found == entries_.end()) {
    found = entries_.emplace(std::string(name), std::make_unique<Entry>(name)).first;
  }
  Entry& entry = *found->second;
  if (!entry.job.pending() && loop_.now() >= entry.next_look_up) refresh(entry);
  auto waiter = std::make_unique<Waiter>(loop_, entry, listener);
  bool waits = entry.job.pending() && !(entry.answer && entry.answer->ok());
  if (waits) {
    entry.waiters.push_back(waiter.get());
  } else {
    waiter->schedule();
  }
  return waiter;
}

const Resolver::Addresses* Resolver::find(std::string_view name) const {
  auto found = entries_.find(name);
  if (found == entries_.end() || !found->second->answer || !found->second->answer->ok()) return nullptr;
  return &found->second->answer->value();
}

void Resolver::refresh(Entry& entry) {
  // Owned by both functions: the thread may still be at work when the resolver has gone.
  auto answer = std::make_shared<Result<Addresses>>(Addresses{});
  entry.job = pool_.submit([look_up = look_up_, name = entry.name, answer] { *answer = look_up(name); },
                           [this, &entry, answer] { on_looked_up(entry, std::move(*answer)); });
}

void Resolver::on_looked_up(Entry& entry, Result<Addresses> answer) {
  entry.next_look_up = loop_.now() + (answer ? options_.refresh : options_.retry);
  keep(entry, std::move(answer));
  for (Waiter* waiter : entry.waiters) waiter->schedule();
  entry.waiters.clear();
}

void Resolver::keep(Entry& entry, Result<Addresses> answer) {
  bool has_good = entry.answer && entry.answer->ok();
  bool was_failing = std::exchange(entry.failing, !answer.ok());
  if (!answer && !was_failing) {
    LOG(warn, "{}{}", answer.error().message, has_good ? "; the last answer stays in use" : "");
  }
  if (answer && was_failing) LOG(notice, "resolve {}: works again", entry.name);
  if (answer || !has_good) entry.answer = std::move(answer);
}

Result<Resolver::Addresses> Resolver::look_up_by_system(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  int code = getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (code != 0) return resolve_error(name, code, errno);
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(list, freeaddrinfo);
  Addresses addresses;
  for (addrinfo* each = list; each; each = each->ai_next) {
    if (each->ai_family != AF_INET && each->ai_family != AF_INET6) continue;
    sockaddr_storage storage{};
    std::copy_n(reinterpret_cast<const char*>(each->ai_addr),
                std::min<size_t>(each->ai_addrlen, sizeof storage), reinterpret_cast<char*>(&storage));
    addresses.push_back(IpAddress::of_sockaddr(storage));
  }
  if (addresses.empty()) return resolve_error(name, EAI_NONAME, 0);
  return addresses;
}

}  // namespace banyan::net
