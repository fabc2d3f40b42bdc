#include "exchange/front.h"

#include <algorithm>

#include "base/log.h"
#include "exchange/exchange.h"

namespace banyan::exchange {
namespace {

constexpr size_t kKeptHeads = 64;

}  // namespace

void Front::switch_to(std::shared_ptr<const Site> site) {
  site_ = std::move(site);
  follow_.switch_to(*site_->targets);
}

void Front::drain(Duration time) {
  draining_ = true;
  farewells_.begin(time);
}

std::unique_ptr<http::StreamUser> Front::open(http::InboundStream& stream) {
  ++requests_;
  auto exchange = std::make_unique<Exchange>(*this, site_, stream);
  exchange->begin();
  return exchange;
}

void Front::on_refused(const http::ConnectionInfo& connection, const Error& error, uint64_t bytes_sent) {
  ++requests_;
  here_.counters.counter(shm::Metric::http_requests, 0, shm::Side::none, http::Method::other, error.status)
      .add();
  here_.counters.counter(shm::Metric::http_rejected, 0, shm::RejectReason::malformed).add();
  if (site_->config->log.access.path == "off") return;
  net::IpAddress::TextBuffer buffer;
  AccessFacts facts;
  facts.remote_addr = connection.peer.host_text(buffer);
  facts.tls_protocol = connection.tls_protocol;
  facts.status = error.status;
  facts.body_bytes_sent = bytes_sent;
  facts.conn_requests = connection.requests;
  facts.term = {error.status == 408 ? 'c' : 'P', 'R'};
  facts.error = error.message;
  write_access(facts, *site_);
}

// Scanners fail by the thousand: as with nginx, a line for who asks for this level.
void Front::on_handshake(const http::ConnectionInfo& connection, std::string_view failure) {
  const auto outcome = failure.empty() ? shm::Outcome::ok : shm::Outcome::failed;
  here_.counters.counter(shm::Metric::tls_handshakes, outcome).add();
  if (failure.empty()) return;
  net::IpAddress::TextBuffer buffer;
  LOG(info, "client {}: TLS handshake: {}", connection.peer.host_text(buffer), failure);
}

void Front::on_no_request(const http::ConnectionInfo&) {
  here_.counters.counter(shm::Metric::connections_failed).add();
}

void Front::write_access(AccessFacts& facts, const Site& site) {
  facts.time_iso8601 = timestamps().iso8601();
  facts.time_local = timestamps().common_log();
  facts.worker = here_.worker;
  line_.clear();
  append_access_line(facts, site.config->log.access.format, line_);
  here_.access_log.write_access(line_);
}

void Front::count_handed_over(int change) {
  handed_over_ += static_cast<size_t>(change);
  if (here_.handed_over_changed) handed_over_notice_.schedule();
}

void Front::count_script(const Site& site, const lua::CallResult& result) {
  shm::Counters& counters = here_.counters;
  counters.counter(shm::Metric::lua_calls, site.script_number, static_cast<shm::LuaResult>(result.failure))
      .add();
  lua::Stats stats = site.script->stats();
  counters.histogram(shm::Metric::lua_call_duration, site.script_number)
      .observe(std::chrono::duration_cast<Duration>(
          std::chrono::duration<double>(std::max(stats.seconds - script_seconds_, 0.0))));
  script_seconds_ = stats.seconds;
  counters.counter(shm::Metric::lua_memory_bytes, site.script_number).set(stats.memory);
  counters.counter(shm::Metric::lua_set_aside, site.script_number).set(stats.set_aside ? 1 : 0);
}

const Timestamps& Front::timestamps() {
  timestamps_.update(here_.loop.wall());
  return timestamps_;
}

std::unique_ptr<http::RequestHead> Front::borrow_head() {
  if (heads_.empty()) return std::make_unique<http::RequestHead>();
  auto head = std::move(heads_.back());
  heads_.pop_back();
  return head;
}

void Front::give_back_head(std::unique_ptr<http::RequestHead> head) {
  if (!head || heads_.size() >= kKeptHeads) return;
  head->clear();
  heads_.push_back(std::move(head));
}

}  // namespace banyan::exchange
