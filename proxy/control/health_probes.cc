#include "control/health_probes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "control/tcp_probe.h"
#include "event/timer.h"
#include "net/proxy_protocol.h"
#include "shm/servers.h"

namespace banyan::control {
namespace {

constexpr size_t kMostBody = 1024 * 1024;

bool is_good(const Result<net::FetchResponse>& result) {
  return result.ok() && result->status >= 200 && result->status < 400;
}

// The same TLS as requests have.
void speak_tls(const config::UpstreamTls& tls, const config::Server& server, net::FetchRequest& request) {
  request.verify = !tls.insecure;
  request.authorities = tls.ca.content;
  request.revocations = tls.crl.content;
  request.certificate = tls.certificate.content;
  request.key = tls.key.content;
  if (tls.name.empty() || !request.unix_socket.empty()) return;
  request.connect_to = server.address.text();
}

net::FetchRequest probe_request(const config::Upstream& upstream, const config::Server& server) {
  const config::Health& health = *upstream.health;
  net::FetchRequest request;
  bool unix_socket = server.address.kind == config::Address::Kind::unix_socket;
  if (unix_socket) request.unix_socket = server.address.host;
  std::string host = unix_socket ? "localhost" : server.address.text();
  if (upstream.tls && !upstream.tls->name.empty()) host = upstream.tls->name;
  request.url = fmt::format("{}://{}{}", upstream.tls ? "https" : "http", host, health.path);
  if (upstream.tls) speak_tls(*upstream.tls, server, request);
  if (!health.host.empty()) request.fields.push_back({"Host", health.host});
  request.fields.push_back({"User-Agent", "banyan-health"});
  request.max_body = kMostBody;
  return request;
}

}  // namespace

// One server.
class HealthProbes::Probe final : private net::Fetcher::Listener, private TcpProbe::Listener {
 public:
  Probe(HealthProbes& probes, const config::Upstream& upstream, const config::Server& server)
      : here_(probes.here_),
        name_(shm::server_name(upstream.name, server.address.text())),
        upstream_(upstream.name),
        server_(server.address),
        rules_(*upstream.health),
        request_(probe_request(upstream, server)),
        tls_(upstream.tls),
        proxy_protocol_(upstream.proxy_protocol),
        number_(here_.directory.find(shm::Kind::server, name_)),
        timer_(here_.loop, Callback::to<&Probe::ask>(this)) {
    // Spread over the first interval, so that many servers are not asked in one instant.
    timer_.start(Millis(
        static_cast<int64_t>(probes.random_.below(static_cast<uint64_t>(rules_.interval.count()) + 1) / 10)));
  }

  bool same(const config::Upstream& upstream, const config::Server& server) const {
    return shm::server_name(upstream.name, server.address.text()) == name_ && rules_ == *upstream.health &&
           tls_ == upstream.tls && proxy_protocol_ == upstream.proxy_protocol;
  }
  void forget() { shm::set_server_health(here_.segment, number_, shm::ServerHealth::unknown); }

 private:
  void ask() {
    next_ = here_.loop.now() + rules_.interval;
    request_.deadline = here_.loop.now() + rules_.timeout;
    if (!asks() || proxy_protocol_ != config::ProxyProtocol::off) {
      tcp_ = std::make_unique<TcpProbe>(here_.loop, here_.resolver, server_,
                                        net::make_local_proxy_header(proxy_protocol_), rules_.timeout,
                                        static_cast<TcpProbe::Listener&>(*this));
      return;
    }
    fetch_ = here_.fetcher.start(request_, *this);
  }

  // By a GET; or it is enough to connect.
  bool asks() const { return rules_.type == config::Health::Type::http; }

  void on_fetched(net::Fetch&, Result<net::FetchResponse> result) override {
    tcp_.reset();
    note(is_good(result), result ? fmt::format("answers {}", result->status) : result.error().message);
  }

  void on_probed(const Result<void>& result) override {
    // curl cannot begin with a PROXY header of our choice, so it gets a connection that has begun.
    if (result && asks()) {
      request_.socket = tcp_->socket();
      fetch_ = here_.fetcher.start(request_, *this);
      return;
    }
    note(result.ok(), result ? std::string("accepts connections") : result.error().message);
    tcp_.reset();
  }

  void note(bool good, const std::string& what) {
    here_.counters
        .counter(shm::Metric::upstream_probes, number_, good ? shm::Outcome::ok : shm::Outcome::failed)
        .add();
    in_a_row_ = good == last_good_ ? in_a_row_ + 1 : 1;
    last_good_ = good;
    shm::ServerHealth before = shm::server_health(here_.segment, number_);
    bool known = before != shm::ServerHealth::unknown;
    if (good && before != shm::ServerHealth::healthy && (!known || in_a_row_ >= rules_.rise)) {
      if (known) shm::set_server_recovered(here_.segment, number_, here_.loop.now());
      tell(shm::ServerHealth::healthy, what);
    } else if (!good && before != shm::ServerHealth::unhealthy && in_a_row_ >= rules_.fall) {
      tell(shm::ServerHealth::unhealthy, what);
    }
    timer_.start_at(next_);
  }

  void tell(shm::ServerHealth health, std::string_view why) {
    shm::set_server_health(here_.segment, number_, health);
    LOG(notice, "upstream {}: server {} is {}: {}", upstream_, server_.text(),
        shm::server_health_name(health), why);
  }

  const Surroundings& here_;
  std::string name_;
  std::string upstream_;
  config::Address server_;
  config::Health rules_;
  net::FetchRequest request_;
  std::optional<config::UpstreamTls> tls_;
  config::ProxyProtocol proxy_protocol_;
  uint32_t number_;
  event::Timer timer_;
  std::unique_ptr<net::Fetch> fetch_;
  std::unique_ptr<TcpProbe> tcp_;
  TimePoint next_{};
  uint32_t in_a_row_ = 0;
  bool last_good_ = true;
};

HealthProbes::HealthProbes(const Surroundings& here) : here_(here) {}
HealthProbes::~HealthProbes() = default;

void HealthProbes::switch_to(const std::vector<config::Upstream>& upstreams) {
  std::vector<std::unique_ptr<Probe>> before = std::move(probes_);
  probes_.clear();
  for (const config::Upstream& upstream : upstreams) {
    if (!upstream.health) continue;
    for (const config::Server& server : upstream.servers) {
      auto kept = std::find_if(before.begin(), before.end(),
                               [&](const auto& probe) { return probe && probe->same(upstream, server); });
      probes_.push_back(kept != before.end() ? std::move(*kept)
                                             : std::make_unique<Probe>(*this, upstream, server));
    }
  }
  for (const auto& probe : before) {
    if (probe) probe->forget();
  }
}

}  // namespace banyan::control
