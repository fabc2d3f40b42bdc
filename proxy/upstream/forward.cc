// One forwarded request:
//
//   attempt ─▶ pick a server ─▶ lease a connection ─▶ request out ─▶ head ─▶ body ─▶ end
//      ▲            │ none free: wait in line
//      └── retry ◀──┴── failure before the head, if RFC 9110 section 9.2.2 and the budget allow
#include "upstream/forward.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/stable_hash.h"
#include "net/proxy_protocol.h"
#include "rollout/request_keys.h"

namespace banyan::upstream {
namespace {

using http::H1Outbound;

class ForwardSession final : public handler::Session, private H1Outbound::User, private Group::Waiter {
 public:
  ForwardSession(std::shared_ptr<Group> group, handler::Call& call)
      : group_(std::move(group)),
        call_(call),
        loop_(group_->here().loop),
        timer_(loop_, Callback::to<&ForwardSession::on_timer>(this)),
        failure_notice_(loop_, Callback::to<&ForwardSession::on_failure_notice>(this)) {
    if (group_->settings().balance == config::Upstream::Balance::hash) {
      rollout::RequestKeys keys(call.request(), call.client().ip);
      hash_ = stable_hash(rollout::find_sticky_key({&group_->settings().hash, 1}, keys).value);
    }
    if (const config::ProxyProtocol version = group_->settings().proxy_protocol;
        version != config::ProxyProtocol::off) {
      proxy_header_ = net::make_proxy_header(version, call.client().address, call.local_address());
    }
    call_.leave_continue_to_me();
    group_->retry_budget().on_request();
  }

  ~ForwardSession() override {
    group_->stop_waiting(*this);
    // The call's time was over before a time-out of the connection's own: no less the server's fault.
    if (lease_ && lease_.connection().waits_for_server() && loop_.now() >= call_.deadline()) {
      group_->note_failure(lease_.server(), take_pass());
    }
    if (pass_) group_->abandon(*pass_);
  }

  void attempt() {
    if (!pass_) {
      Result<shm::Breaker::Pass> pass = group_->begin_attempt();
      if (!pass) return fail_later(std::move(pass).error());
      pass_ = *pass;
    }
    Server* server = group_->pick(hash_, tried_);
    if (!server) {
      if (group_->still_resolving()) return wait_in_line();
      return fail_later(upstream_error(503, "destination_unavailable", "no server of the group may be used"));
    }
    Result<std::optional<Lease>> leased =
        fresh_only_ ? group_->lease_new(*server, proxy_header_) : group_->lease(*server, proxy_header_);
    if (!leased) return on_refused_at_once(*server, leased.error());
    if (!*leased) return wait_in_line();
    lease_ = std::move(**leased);
    timer_.stop();  // of the wait in line
    const http::RequestHead& request = call_.outbound();
    bool has_body = request.body.kind != http::BodyKind::none || !request.upgrade.empty();
    began_ = loop_.now();
    reused_ = lease_.connection().exchanges() > 0;
    call_.notes().upstream_address = server->name();
    lease_.connection().start(request, has_body ? &call_.request_body() : nullptr, call_.response_body(),
                              *this);
  }

 private:
  static Error no_place(std::string message) {
    Error error = upstream_error(503, "connection_limit_reached", std::move(message));
    error.retry_after = std::chrono::seconds(1);
    return error;
  }

  std::optional<shm::Breaker::Pass> take_pass() { return std::exchange(pass_, std::nullopt); }

  void wait_in_line() {
    if (!group_->wait(*this)) return fail_later(no_place("too many requests wait for this upstream"));
    if (!timer_.running()) timer_.start(group_->settings().limits.queue);
  }

  void on_turn() override { attempt(); }

  // The pause before a retry is over, or the wait in line was too long.
  void on_timer() {
    if (std::exchange(pausing_, false)) return attempt();
    group_->stop_waiting(*this);
    group_->here().counters.counter(shm::Metric::upstream_pending_timeouts, group_->number()).add();
    call_.fail(no_place("waited too long for a connection to this upstream"));
  }

  // H1Outbound::User

  void on_interim(const http::ResponseHead& head) override {
    interim_seen_ = true;
    call_.interim(head);
  }

  void on_response(const http::ResponseHead& head) override {
    timer_.stop();
    handler::Notes& notes = call_.notes();
    notes.upstream_status = head.status;
    notes.header_time = loop_.now() - began_;
    if (!reused_) {
      notes.connect_time = lease_.connection().connect_time();
      count_connect(lease_.server(), shm::ConnectResult::ok);
    }
    bool gateway_error = head.status == 502 || head.status == 503 || head.status == 504;
    gateway_error ? group_->note_failure(lease_.server(), take_pass())
                  : group_->note_success(lease_.server(), take_pass().value_or(shm::Breaker::Pass()));
    group_->here()
        .counters.counter(shm::Metric::upstream_requests, lease_.server().number(), head.status)
        .add();
    group_->note_answer(lease_.server(), head);
    responded_ = true;
    call_.respond(head);
  }

  void on_exchange_end() override {
    Duration taken = loop_.now() - began_;
    call_.notes().response_time = taken;
    group_->here()
        .counters.histogram(shm::Metric::upstream_request_duration, lease_.server().number())
        .observe(taken);
    lease_.end();
  }

  void on_failure(const Error& error) override {
    Server& server = lease_.server();
    bool body_touched = lease_.connection().body_touched();
    bool stale = reused_ && error.type == "connection_terminated" && !responded_;
    if (error.fault != Fault::client && !stale) {
      group_->note_failure(server, take_pass());
      if (!reused_ && error.nothing_sent) count_connect(server, connect_result(error));
      if (error.type.starts_with("http_")) {
        group_->here().counters.counter(shm::Metric::upstream_bad_responses, server.number()).add();
      }
    }
    Group::Tried place = group_->place_of(server);
    lease_.end();
    if (responded_ || !try_again(error, place, stale, body_touched)) call_.fail(error);
  }

  // The kernel knows without asking: nobody listens on a unix socket, there is no route. What this process
  // lacks says nothing about the server.
  void on_refused_at_once(Server& server, Error error) {
    count_connect(server, connect_result(error));
    if (error.fault == Fault::upstream) group_->note_failure(server, take_pass());
    if (!try_again(error, group_->place_of(server), false, false)) fail_later(std::move(error));
  }

  // False if there is to be no other attempt.
  bool try_again(const Error& error, Group::Tried place, bool stale, bool body_touched) {
    const Millis wait = stale ? Millis(0) : pause_before_retry(tried_ | place);
    if (!may_retry(error, stale, body_touched, wait)) return false;
    ++call_.notes().retries;
    auto reason = error.nothing_sent                      ? shm::RetryReason::connect
                  : error.type == "http_response_timeout" ? shm::RetryReason::timeout
                                                          : shm::RetryReason::reset;
    group_->here().counters.counter(shm::Metric::upstream_retries, group_->number(), reason).add();
    if (stale) {
      fresh_only_ = true;
    } else {
      tried_ |= place;
      ++attempts_;
    }
    if (wait.count() == 0) {
      attempt();
    } else {
      pausing_ = true;
      timer_.start(wait);
    }
    return true;
  }

  // `stale`: the server had closed the kept connection before the request came. Nothing speaks against the
  // server, and one that is asked on a new connection gets no request twice: this is no attempt that counts
  // (as with nginx).
  bool may_retry(const Error& error, bool stale, bool body_touched, Millis wait) {
    if (error.fault == Fault::client || body_touched || call_.retry() == handler::Retry::off) return false;
    // Something of an answer was received: another attempt might be a second execution that somebody has
    // seen.
    bool received = error.type.starts_with("http_") && error.type != "http_response_timeout";
    if (received || interim_seen_) return false;
    if (!stale && attempts_ >= group_->settings().retry.attempts) return false;
    bool harmless = error.nothing_sent || call_.retry() == handler::Retry::always ||
                    http::is_idempotent(call_.request().method);
    if (!harmless || loop_.now() + wait >= call_.deadline()) return false;
    if (!pass_ && !group_->breaker_admits()) return false;
    if (stale || group_->retry_budget().take()) return true;
    group_->here().counters.counter(shm::Metric::upstream_retries_refused, group_->number()).add();
    return false;
  }

  // Another server is asked at once, but only the first time: who goes through a whole group without rest
  // makes its trouble worse. Full jitter, so that requests that failed together do not come back together.
  Millis pause_before_retry(Group::Tried tried) {
    if (attempts_ == 0 && group_->has_untried(tried)) return Millis(0);
    const config::UpstreamRetry& rules = group_->settings().retry;
    const Millis longest = std::min(rules.backoff * (1 << std::min(attempts_, 10u)), rules.backoff_max);
    return Millis(static_cast<int64_t>(group_->random().below(static_cast<uint64_t>(longest.count()) + 1)));
  }

  // attempt() runs inside Handler::open(), where the call must not be failed from below.
  void fail_later(Error error) {
    failure_ = std::move(error);
    failure_notice_.schedule();
  }

  void on_failure_notice() { call_.fail(std::move(failure_)); }

  void count_connect(Server& server, shm::ConnectResult result) {
    group_->here().counters.counter(shm::Metric::upstream_connects, server.number(), result).add();
  }

  static shm::ConnectResult connect_result(const Error& error) {
    if (error.type == "connection_refused") return shm::ConnectResult::refused;
    if (error.type == "connection_timeout") return shm::ConnectResult::timeout;
    if (error.type.starts_with("tls_")) return shm::ConnectResult::tls;
    return shm::ConnectResult::other;
  }

  std::shared_ptr<Group> group_;
  handler::Call& call_;
  event::Loop& loop_;
  Lease lease_;
  event::Timer timer_;
  event::Deferred failure_notice_;
  Error failure_;
  std::optional<shm::Breaker::Pass> pass_;  // of the attempt under way, until it told how it went
  TimePoint began_{};
  std::string proxy_header_;  // that its connection begins with; empty: none
  uint64_t hash_ = 0;
  Group::Tried tried_ = 0;
  unsigned attempts_ = 0;
  bool reused_ = false;
  bool responded_ = false;
  bool interim_seen_ = false;
  bool fresh_only_ = false;
  bool pausing_ = false;
};

class ForwardHandler final : public handler::Handler {
 public:
  explicit ForwardHandler(std::shared_ptr<Group> group) : group_(std::move(group)) {}

  std::unique_ptr<handler::Session> open(handler::Call& call) override {
    auto session = std::make_unique<ForwardSession>(group_, call);
    session->attempt();
    return session;
  }

  bool available() const override { return group_->available(); }

 private:
  std::shared_ptr<Group> group_;
};

}  // namespace

std::unique_ptr<handler::Handler> make_forward_handler(std::shared_ptr<Group> group) {
  return std::make_unique<ForwardHandler>(std::move(group));
}

}  // namespace banyan::upstream
