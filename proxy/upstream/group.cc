#include "upstream/group.h"

#include <algorithm>

#include "base/log.h"
#include "http/retry_after.h"
#include "net/connect_socket.h"

namespace banyan::upstream {
namespace {

// Node closes an idle connection at the time it announced; a request must not be on its way then.
constexpr Millis kIdleMargin{1'000};
constexpr Millis kExpiryStep{250};
// How often a line looks for places that other workers gave back.
constexpr Millis kLookForPlaces{5};

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

Group::Group(const config::Upstream& settings, const Surroundings& here, std::unique_ptr<net::TlsContext> tls)
    : settings_(settings),
      here_(here),
      tls_(std::move(tls)),
      number_(here.directory.find(shm::Kind::upstream, settings.name)),
      balancer_(settings.balance, {}),
      retry_budget_(settings.retry.budget),
      expiry_(here.loop, Callback::to<&Group::on_expiry>(this)),
      line_notice_(here.loop, Callback::to<&Group::serve_line>(this)),
      line_timer_(here.loop, Callback::to<&Group::serve_line>(this)),
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
    servers_.push_back(std::make_unique<Server>(server, number, here.segment, here.counters, here.slot));
    find_addresses(*servers_.back());
    limited_servers_ = limited_servers_ || server.max_connections > 0;
  }
  balancer_ = Balancer(settings.balance, servers_);
  if (settings.breaker) {
    const config::Breaker& rules = *settings.breaker;
    breaker_.emplace(here.segment, number_,
                     shm::Breaker::Rules{rules.failures, rules.requests, rules.window, rules.time,
                                         rules.time_max, rules.trials});
  }
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
  return breaker_admits() && std::any_of(servers_.begin(), servers_.end(), [](const auto& server) {
           return server->has_address() && server->allowed();
         });
}

Group::Tried Group::place_of(const Server& server) const {
  for (size_t i = 0; i < servers_.size() && i < 64; ++i) {
    if (servers_[i].get() == &server) return Tried{1} << i;
  }
  return 0;
}

bool Group::has_untried(Tried tried) const {
  for (size_t i = 0; i < servers_.size(); ++i) {
    const bool was_tried = i < 64 && (tried >> i & 1);
    if (!was_tried && servers_[i]->has_address() && servers_[i]->allowed()) return true;
  }
  return false;
}

// Of one that is, the share is brought up to date: whoever chooses among servers goes by it.
bool Group::is_usable(Server& server, bool backup, bool even_ejected) {
  if (server.settings().backup != backup || !server.has_address() || !server.allowed()) return false;
  const TimePoint now = here_.loop.now();
  if (!even_ejected && server.ejected(now)) return false;
  server.update_share(now, settings_.slow_start);
  return true;
}

// Fills usable_; false if there is none. Those with a place free are preferred to those without.
bool Group::find_usable(Tried tried, bool backup, bool even_ejected) {
  usable_.clear();
  size_t free = 0;
  for (size_t i = 0; i < servers_.size(); ++i) {
    Server& server = *servers_[i];
    if (i < 64 && (tried >> i & 1)) continue;
    if (!is_usable(server, backup, even_ejected)) continue;
    usable_.push_back(&server);
    if (limited_servers_ && !server.full()) std::swap(usable_[free++], usable_.back());
  }
  if (free > 0) usable_.resize(free);
  return !usable_.empty();
}

Server* Group::pick(uint64_t hash, Tried tried) {
  if (tried == 0) {
    Server* early = balancer_.pick_early(hash, [this](Server& server) {
      return is_usable(server, false, false) && !(limited_servers_ && server.full());
    });
    if (early) return early;
  }
  for (Tried avoided : {tried, Tried{0}}) {
    for (bool even_ejected : {false, true}) {
      for (bool backup : {false, true}) {
        if (find_usable(avoided, backup, even_ejected)) return balancer_.pick(usable_, hash);
      }
    }
    if (tried == 0) break;
  }
  return nullptr;
}

// ---- connections
// ----------------------------------------------------------------------------------------------------

Result<std::optional<Lease>> Group::lease(Server& server, const std::string& proxy_header) {
  // Who comes now stands behind those who wait.
  if (!line_.empty() && !turn_) return std::optional<Lease>();
  if (!server.begin_request()) return std::optional<Lease>();
  if (auto connection = take_idle(server, proxy_header))
    return std::optional<Lease>(Lease(*this, server, std::move(connection)));
  return connect(server, proxy_header);
}

Result<std::optional<Lease>> Group::lease_new(Server& server, const std::string& proxy_header) {
  if (!server.begin_request()) return std::optional<Lease>();
  return connect(server, proxy_header);
}

// A request of the server's has begun; it ends with the lease, or here.
Result<std::optional<Lease>> Group::connect(Server& server, const std::string& proxy_header) {
  if (settings_.limits.connections > 0 && open_connections_ >= settings_.limits.connections && !make_room()) {
    server.end_request();
    return std::optional<Lease>();
  }
  const net::SocketAddress& address = server.next_address();
  Result<int> fd = net::open_connecting_socket(address);
  if (!fd) {
    server.end_request();
    return std::move(fd).error();
  }
  ++open_connections_;
  auto connection = std::make_unique<http::H1Outbound>(here_.loop, here_.buffers, make_stream(server, *fd),
                                                       address, outbound_, proxy_header);
  return std::optional<Lease>(Lease(*this, server, std::move(connection)));
}

std::unique_ptr<net::Stream> Group::make_stream(Server& server, int fd) {
  if (!tls_) return net::make_plain_stream(here_.loop, fd);
  const config::Address& address = server.settings().address;
  const bool has_host = address.kind != config::Address::Kind::unix_socket;
  const std::string& name = settings_.tls->name.empty() && has_host ? address.host : settings_.tls->name;
  return net::make_tls_client_stream(here_.loop, fd, *tls_, name, server.tls_session());
}

// A server that was told of one client must not take another's requests for his, so the PROXY header is a
// part of what a connection is kept for. (HAProxy: it goes into the hash of a kept connection.)
std::unique_ptr<http::H1Outbound> Group::take_idle(Server& server, const std::string& proxy_header) {
  auto& idle = server.idle();
  for (size_t i = idle.size(); i-- > 0;) {
    if (idle[i]->proxy_header() != proxy_header) continue;
    std::unique_ptr<http::H1Outbound> connection = std::move(idle[i]);
    idle.erase(idle.begin() + static_cast<ptrdiff_t>(i));
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
    close_oldest_idle(*server);
    return true;
  }
  return false;
}

void Group::close_oldest_idle(Server& server) {
  std::unique_ptr<http::H1Outbound> oldest = std::move(server.idle().front());
  server.idle().erase(server.idle().begin());
  server.count_idle(-1);
  close(std::move(oldest));
}

Millis Group::idle_limit(const http::H1Outbound& connection) const {
  if (!connection.announced_idle()) return settings_.keepalive.idle;
  return std::clamp(*connection.announced_idle() - kIdleMargin, Millis{0}, settings_.keepalive.idle_max);
}

void Group::take_back(Server& server, std::unique_ptr<http::H1Outbound> connection) {
  connection->release();
  const size_t most = settings_.keepalive.connections;
  bool keep = connection->reusable() && most > 0 && idle_limit(*connection) > Millis{0} &&
              (settings_.keepalive.requests == 0 || connection->exchanges() < settings_.keepalive.requests);
  if (keep && server.idle().size() >= most) {
    // Alike ones can stand in for each other; of those that are for one client each, the one who was here
    // last is most likely to come again.
    keep = !connection->proxy_header().empty();
    if (keep) close_oldest_idle(server);
  }
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

// Whose turn it was, and who found that another worker had been faster, stays the first.
bool Group::wait(Waiter& waiter) {
  if (line_.size() >= settings_.limits.pending) return false;
  if (turn_ == &waiter) {
    line_.push_front(&waiter);
  } else {
    line_.push_back(&waiter);
  }
  pending_gauge_.add();
  if (limited_servers_ && !line_timer_.running()) line_timer_.start(kLookForPlaces);
  return true;
}

void Group::stop_waiting(Waiter& waiter) {
  auto found = std::find(line_.begin(), line_.end(), &waiter);
  if (found == line_.end()) return;
  line_.erase(found);
  pending_gauge_.subtract();
}

bool Group::place_free() const {
  const auto has_idle = [](const auto& server) { return !server->idle().empty(); };
  if (settings_.limits.connections > 0 && open_connections_ >= settings_.limits.connections &&
      std::none_of(servers_.begin(), servers_.end(), has_idle)) {
    return false;
  }
  if (!limited_servers_) return true;
  bool any = false;
  for (const auto& server : servers_) {
    if (!server->has_address() || !server->allowed()) continue;
    any = true;
    if (!server->full()) return true;
  }
  return !any;  // with nobody left to wait for, those in line are to be told
}

// One at a time: a turn that does not use the place leaves it to the next.
void Group::serve_line() {
  if (line_.empty()) return;
  if (place_free()) {
    turn_ = line_.front();
    stop_waiting(*turn_);
    turn_->on_turn();
    turn_ = nullptr;
    if (!line_.empty() && place_free()) line_notice_.schedule();
  }
  if (limited_servers_ && !line_.empty()) line_timer_.start(kLookForPlaces);
}

// ---- passive health
// -------------------------------------------------------------------------------------------------

// Never the last one that could be used, and not more than the share of the group.
bool Group::may_eject(const Server& server) const {
  TimePoint now = here_.loop.now();
  uint64_t ejected = 0, others = 0;
  for (const auto& each : servers_) {
    if (each.get() == &server) continue;
    if (each->ejected(now)) {
      ++ejected;
    } else if (each->has_address() && each->allowed()) {
      ++others;
    }
  }
  return others > 0 && (ejected + 1) * 10'000 <= uint64_t{settings_.ejection.max_percent} * servers_.size();
}

void Group::note_failure(Server& server, const std::optional<shm::Breaker::Pass>& pass) {
  if (server.note_failure(settings_.ejection, here_.loop.now(), may_eject(server))) {
    LOG(warn, "upstream {}: server {} is set aside after {} failures in a row", settings_.name, server.name(),
        settings_.ejection.failures);
  }
  if (pass) note(*pass, false);
}

void Group::note_success(Server& server, const shm::Breaker::Pass& pass) {
  server.note_success(settings_.ejection, here_.loop.now());
  note(pass, true);
}

// The same bounds as for those that we eject ourselves.
void Group::note_answer(Server& server, const http::ResponseHead& head) {
  const auto& heeded = settings_.ejection.retry_after;
  if (std::find(heeded.begin(), heeded.end(), static_cast<uint32_t>(head.status)) == heeded.end()) return;
  const auto asked = http::parse_retry_after(head.fields.get(http::FieldId::retry_after), here_.loop.wall());
  if (!asked || asked->count() == 0 || !may_eject(server)) return;
  const TimePoint now = here_.loop.now();
  const Millis time = std::min<Millis>(*asked, settings_.ejection.time_max);
  if (!server.set_aside(now, now + time)) return;
  LOG(notice, "upstream {}: server {} answered {} and is left alone for {} s, as it asks", settings_.name,
      server.name(), head.status, std::chrono::ceil<std::chrono::seconds>(time).count());
}

// ---- the circuit breaker
// --------------------------------------------------------------------------------------------

bool Group::breaker_admits() const { return !breaker_ || breaker_->admits(here_.loop.now()); }

Result<shm::Breaker::Pass> Group::begin_attempt() {
  shm::Breaker::Pass pass;
  if (!breaker_ || breaker_->admit(here_.loop.now(), pass)) return pass;
  here_.counters.counter(shm::Metric::upstream_breaker_refused, number_).add();
  Error error = upstream_error(503, "destination_unavailable", "the circuit breaker of the upstream is open");
  error.retry_after = std::max<Duration>(breaker_->open_until() - here_.loop.now(), std::chrono::seconds(1));
  return error;
}

void Group::note(const shm::Breaker::Pass& pass, bool good) {
  if (!breaker_) return;
  switch (breaker_->note(pass, good, here_.loop.now())) {
    case shm::Breaker::Change::none:
      break;
    case shm::Breaker::Change::opened:
      here_.counters.counter(shm::Metric::upstream_breaker_openings, number_).add();
      LOG(warn, "upstream {}: the circuit breaker opens: too many requests fail", settings_.name);
      break;
    case shm::Breaker::Change::closed:
      LOG(notice, "upstream {}: the circuit breaker closes: the upstream answers again", settings_.name);
      break;
  }
}

void Group::abandon(const shm::Breaker::Pass& pass) {
  if (breaker_) breaker_->abandon(pass);
}

}  // namespace banyan::upstream
