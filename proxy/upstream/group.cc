#include "upstream/group.h"

#include <algorithm>

#include "base/log.h"
#include "net/connect_socket.h"

namespace banyan::upstream {
namespace {

// Node closes an idle connection at the time it announced; a request must not be on its way then.
constexpr Millis kIdleMargin{1'000};
constexpr Millis kExpiryStep{250};

}  // namespace

// Keeps one server's addresses as its name has them.
class Group::NameWatch final : private net::Resolver::Listener {
 public:
  NameWatch(Group& group, Server& server)
      : group_(group), server_(server), timer_(group.here_.loop, Callback::to<&NameWatch::ask>(this)) {
    ask();
  }

  bool answered() const { return answered_; }

 private:
  void ask() { question_ = group_.here_.resolver.resolve(server_.settings().address.host, *this); }

  void on_resolved(const Result<net::Resolver::Addresses>& answer) override {
    answered_ = true;
    if (answer) {
      std::vector<net::SocketAddress> addresses;
      for (const net::IpAddress& ip : *answer) {
        addresses.push_back(
            net::SocketAddress::of_ip(net::IpAddress::of_bytes(ip.bytes(), server_.settings().address.port)));
      }
      server_.set_addresses(std::move(addresses));
    } else {
      LOG(warn, "upstream {}: server {}: {}", group_.settings_.name, server_.name(), answer.error().message);
    }
    timer_.start(group_.settings_.resolve);
    group_.line_notice_.schedule();
  }

  Group& group_;
  Server& server_;
  event::Timer timer_;
  std::unique_ptr<net::Resolver::Question> question_;
  bool answered_ = false;
};

Group::Group(const config::Upstream& settings, const Surroundings& here)
    : settings_(settings),
      here_(here),
      number_(here.directory.find(shm::Kind::upstream, settings.name)),
      balancer_(settings.balance, {}),
      retry_budget_(settings.retry.budget),
      expiry_(here.loop, Callback::to<&Group::on_expiry>(this)),
      line_notice_(here.loop, Callback::to<&Group::serve_line>(this)),
      pending_gauge_(here.counters.counter(shm::Metric::upstream_pending, number_)) {
  outbound_.connect_timeout = settings.timeouts.connect;
  outbound_.response_timeout = settings.timeouts.response;
  outbound_.idle_timeout = settings.timeouts.idle;
  outbound_.tunnel_timeout = settings.timeouts.tunnel;
  outbound_.limits = http::H1Limits::for_responses();
  outbound_.limits.head = outbound_.limits.line = settings.limits.response_head;
  for (const config::Server& server : settings_.servers) {
    uint32_t number =
        here.directory.find(shm::Kind::server, shm::server_name(settings.name, server.address.text()));
    servers_.push_back(std::make_unique<Server>(server, number, here.segment, here.counters));
    find_addresses(*servers_.back());
  }
  balancer_ = Balancer(settings.balance, servers_);
}

Group::~Group() = default;

void Group::find_addresses(Server& server) {
  const config::Address& address = server.settings().address;
  if (address.kind == config::Address::Kind::name) {
    names_.push_back(std::make_unique<NameWatch>(*this, server));
    return;
  }
  Result<net::SocketAddress> literal = net::SocketAddress::make(address);
  if (literal) {
    server.set_addresses({*literal});
  } else {
    LOG(error, "upstream {}: {}", settings_.name, literal.error().message);
  }
}

bool Group::still_resolving() const {
  return std::any_of(names_.begin(), names_.end(), [](const auto& name) { return !name->answered(); });
}

bool Group::available() const {
  return std::any_of(servers_.begin(), servers_.end(),
                     [](const auto& server) { return server->has_address() && server->allowed(); });
}

Group::Tried Group::place_of(const Server& server) const {
  for (size_t i = 0; i < servers_.size() && i < 64; ++i) {
    if (servers_[i].get() == &server) return Tried{1} << i;
  }
  return 0;
}

size_t Group::usable(Tried tried, bool backup, bool even_ejected, std::vector<Server*>& out) const {
  TimePoint now = here_.loop.now();
  out.clear();
  for (size_t i = 0; i < servers_.size(); ++i) {
    Server& server = *servers_[i];
    if (i < 64 && (tried >> i & 1)) continue;
    if (server.settings().backup != backup || !server.has_address() || !server.allowed()) continue;
    if (!even_ejected && server.ejected(now)) continue;
    out.push_back(&server);
  }
  return out.size();
}

Server* Group::pick(uint64_t hash, Tried tried) {
  for (Tried avoided : {tried, Tried{0}}) {
    for (bool even_ejected : {false, true}) {
      for (bool backup : {false, true}) {
        if (usable(avoided, backup, even_ejected, usable_) > 0) return balancer_.pick(usable_, hash);
      }
    }
    if (tried == 0) break;
  }
  return nullptr;
}

// ---- connections
// ----------------------------------------------------------------------------------------------------

Result<std::optional<Lease>> Group::lease(Server& server) {
  if (auto connection = take_idle(server))
    return std::optional<Lease>(Lease(*this, server, std::move(connection)));
  return lease_new(server);
}

Result<std::optional<Lease>> Group::lease_new(Server& server) {
  if (settings_.limits.connections > 0 && open_connections_ >= settings_.limits.connections && !make_room()) {
    return std::optional<Lease>();
  }
  const net::SocketAddress& address = server.next_address();
  Result<int> fd = net::open_connecting_socket(address);
  if (!fd) return std::move(fd).error();
  ++open_connections_;
  auto connection = std::make_unique<http::H1Outbound>(
      here_.loop, here_.buffers, net::make_plain_stream(here_.loop, *fd), address, outbound_);
  return std::optional<Lease>(Lease(*this, server, std::move(connection)));
}

std::unique_ptr<http::H1Outbound> Group::take_idle(Server& server) {
  auto& idle = server.idle();
  while (!idle.empty()) {
    std::unique_ptr<http::H1Outbound> connection = std::move(idle.back());
    idle.pop_back();
    server.count_idle(-1);
    connection->keep(nullptr);
    if (here_.loop.now() - connection->idle_since() < idle_limit(*connection)) return connection;
    close(std::move(connection));
  }
  return nullptr;
}

// Closes an idle connection of another server, so that one that is needed can be opened.
bool Group::make_room() {
  for (const auto& server : servers_) {
    if (server->idle().empty()) continue;
    std::unique_ptr<http::H1Outbound> oldest = std::move(server->idle().front());
    server->idle().erase(server->idle().begin());
    server->count_idle(-1);
    close(std::move(oldest));
    return true;
  }
  return false;
}

Millis Group::idle_limit(const http::H1Outbound& connection) const {
  if (!connection.announced_idle()) return settings_.keepalive.idle;
  return std::clamp(*connection.announced_idle() - kIdleMargin, Millis{0}, settings_.keepalive.idle_max);
}

void Group::take_back(Server& server, std::unique_ptr<http::H1Outbound> connection) {
  connection->release();
  bool keep = connection->reusable() && server.idle().size() < settings_.keepalive.connections &&
              idle_limit(*connection) > Millis{0} &&
              (settings_.keepalive.requests == 0 || connection->exchanges() < settings_.keepalive.requests);
  if (!keep) {
    close(std::move(connection));
  } else {
    connection->keep(this);
    server.idle().push_back(std::move(connection));
    server.count_idle(+1);
    if (!expiry_.running()) expiry_.start(kExpiryStep);
  }
  if (!line_.empty()) line_notice_.schedule();
}

// The connection may be in the middle of one of its own notices: it dies at the end of the turn.
void Group::close(std::unique_ptr<http::H1Outbound> connection) {
  --open_connections_;
  connection->keep(nullptr);
  here_.loop.dispose(std::move(connection));
  if (!line_.empty()) line_notice_.schedule();
}

void Group::on_idle_closed(http::H1Outbound& connection) {
  for (const auto& server : servers_) {
    auto& idle = server->idle();
    auto found =
        std::find_if(idle.begin(), idle.end(), [&](const auto& kept) { return kept.get() == &connection; });
    if (found == idle.end()) continue;
    std::unique_ptr<http::H1Outbound> closed = std::move(*found);
    idle.erase(found);
    server->count_idle(-1);
    return close(std::move(closed));
  }
}

void Group::on_expiry() {
  TimePoint now = here_.loop.now();
  bool any = false;
  for (const auto& server : servers_) {
    auto& idle = server->idle();
    for (size_t i = 0; i < idle.size();) {
      if (now - idle[i]->idle_since() < idle_limit(*idle[i])) {
        ++i;
        continue;
      }
      std::unique_ptr<http::H1Outbound> expired = std::move(idle[i]);
      idle.erase(idle.begin() + static_cast<ptrdiff_t>(i));
      server->count_idle(-1);
      close(std::move(expired));
    }
    any = any || !idle.empty();
  }
  if (any) expiry_.start(kExpiryStep);
}

// ---- the line
// -------------------------------------------------------------------------------------------------------

bool Group::wait(Waiter& waiter) {
  if (line_.size() >= settings_.limits.pending) return false;
  line_.push_back(&waiter);
  pending_gauge_.add();
  return true;
}

void Group::stop_waiting(Waiter& waiter) {
  auto found = std::find(line_.begin(), line_.end(), &waiter);
  if (found == line_.end()) return;
  line_.erase(found);
  pending_gauge_.subtract();
}

// One at a time: a turn that does not use the place schedules the next.
void Group::serve_line() {
  if (line_.empty()) return;
  Waiter* waiter = line_.front();
  stop_waiting(*waiter);
  bool more = !line_.empty() &&
              (settings_.limits.connections == 0 || open_connections_ + 1 < settings_.limits.connections);
  if (more) line_notice_.schedule();
  waiter->on_turn();
}

// ---- passive health
// -------------------------------------------------------------------------------------------------

bool Group::may_eject_one() const {
  TimePoint now = here_.loop.now();
  auto ejected = static_cast<uint64_t>(std::count_if(
      servers_.begin(), servers_.end(), [&](const auto& server) { return server->ejected(now); }));
  return ejected + 1 < servers_.size() &&
         (ejected + 1) * 10'000 <= uint64_t{settings_.ejection.max_percent} * servers_.size();
}

void Group::note_failure(Server& server) {
  if (server.note_failure(settings_.ejection, here_.loop.now(), may_eject_one())) {
    LOG(warn, "upstream {}: server {} is set aside after {} failures in a row", settings_.name, server.name(),
        settings_.ejection.failures);
  }
}

void Group::note_success(Server& server) { server.note_success(settings_.ejection, here_.loop.now()); }

}  // namespace banyan::upstream
