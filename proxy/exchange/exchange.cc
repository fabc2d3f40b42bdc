#include "exchange/exchange.h"

#include "base/check.h"
#include "base/log.h"
#include "exchange/answer_head.h"
#include "exchange/ending.h"
#include "exchange/fallback.h"
#include "exchange/outbound_head.h"
#include "exchange/server_timing.h"
#include "http/error_page.h"

namespace banyan::exchange {
namespace {

// More hops through ourselves than any sensible chain has.
constexpr int kMostHops = 8;
// Of a request body that may have to be sent again.
constexpr size_t kReplayLimit = 64 * 1024;

bool is_gateway_error(int status) { return status == 502 || status == 503 || status == 504; }

constexpr std::string_view kNoBudget = "budget";

}  // namespace

Exchange::Exchange(Front& front, std::shared_ptr<const Site> site, http::InboundStream& stream)
    : front_(front),
      site_(std::move(site)),
      stream_(stream),
      identity_(stream.head(), stream.connection().peer, !stream.connection().tls_protocol.empty(),
                stream.connection().client_subject, site_->config->trusted_proxies, front.random_),
      arrived_(front.here_.loop.events_since()),
      random_(front.random_.next()),
      deadline_timer_(front.here_.loop, Callback::to<&Exchange::on_deadline>(this)),
      deferred_(front.here_.loop, Callback::to<&Exchange::on_deferred>(this)) {
  ++front_.active_;
}

Exchange::~Exchange() {
  session_.reset();
  front_.give_back_head(std::move(outbound_));
  --front_.active_;
}

void Exchange::begin() {
  decision_ = route::decide(*site_->router, *site_->targets, site_->script,
                            {request(), client(), identity_.address().bytes(), random_});
  if (decision_.script) front_.count_script(*site_, *decision_.script);
  if (!decision_.route) {
    http::Fields fields;
    if (decision_.other_method) {
      std::string allowed = site_->router->allowed_methods(request());
      fields.add_copy("Allow", allowed);
    }
    front_.here_.counters.counter(shm::Metric::http_rejected, 0, shm::RejectReason::no_route).add();
    bool json = http::accepts_json(request().fields.get(http::FieldId::accept));
    int status = decision_.other_method ? 405 : 404;
    return answer(status, http::error_content_type(json), http::error_body(status, {}, json), fields);
  }
  front_.here_.counters.counter(shm::Metric::decisions, route().number(), decision_.side, decision_.reason)
      .add();
  front_.here_.counters.counter(shm::Metric::http_requests_in_flight, route().number(), decision_.side).add();
  if (refused() || answered_here()) return;

  const config::Route& rules = route().rules();
  if (rules.max_body > 0) stream_.limit_request_body(rules.max_body);
  if (request().upgrade.empty()) limit_time();
  prepare_fallback();
  open(*decision_.endpoint);
}

bool Exchange::refused() {
  const lua::Outcome* outcome = decision_.outcome();
  const std::string_view script_key = outcome && outcome->key ? std::string_view(*outcome->key) : "";
  auto refusal = front_.admission_.judge(route(), request(), identity_, script_key, arrived_, ticket_);
  if (!refusal && !site_->config->via.empty() &&
      via_count(request().fields, site_->config->via) >= kMostHops) {
    refusal = Refusal{508, shm::RejectReason::loop, {}, "the request has passed here too often"};
  }
  if (!refusal) return false;
  refused_ = true;
  front_.here_.counters.counter(shm::Metric::http_rejected, route().number(), refusal->reason).add();
  Error error = client_error(refusal->status, std::string(refusal->detail));
  error.retry_after = refusal->retry_after;
  answer_error(error);
  return true;
}

// What needs no target: a request that may go no further, a script's status, redirect, reply.
bool Exchange::answered_here() {
  const config::Route& rules = route().rules();
  http::Fields fields;
  if (forwards_left(request()) == 0u) {  // it was to go this far; TRACE is nothing that we do ourselves
    answer(request().method == http::Method::options ? 204 : 501, {}, {}, fields);
    return true;
  }
  if (const lua::Outcome* outcome = decision_.outcome(); outcome && outcome->status) {
    for (const auto& [name, value] : outcome->set_headers) fields.add(name, value);
    answer(*outcome->status, "text/plain; charset=utf-8", outcome->body ? *outcome->body : std::string(),
           fields);
    return true;
  }
  if (decision_.endpoint) return false;
  if (rules.redirect) {
    std::string_view location =
        route::redirect_location(*rules.redirect,
                                 {client().tls ? "https" : "http", request().host, request().path,
                                  request().query, request().has_query},
                                 fields.arena());
    fields.add(http::FieldId::location, location);
    answer(static_cast<int>(rules.redirect->status), {}, {}, fields);
    return true;
  }
  CHECK(rules.reply.has_value());
  answer(static_cast<int>(rules.reply->status), "text/plain; charset=utf-8", rules.reply->body, fields);
  return true;
}

void Exchange::open(const route::Endpoint& endpoint) { session_ = endpoint.handler->open(*this); }

void Exchange::limit_time() {
  const std::string& field = site_->config->timeout_header;
  std::optional<Millis> told;
  if (client().trusted && !field.empty()) told = find_time_left(request().fields, field);
  limit_.begin(arrived_, route().rules().deadline, told);
  if (!limit_.none()) deadline_timer_.start_at(limit_.end());
}

// Native gets its share of the time and what it reads of the body is kept, so that legacy can take over.
void Exchange::prepare_fallback() {
  if (!decision_.rollout) return;
  front_.fallbacks_.on_request(decision_.rollout->number, decision_.rollout->plan.fallback_budget);
  if (!may_fall_back(false)) return;
  stream_.keep_request_body(kReplayLimit);
  limit_.halve();
  if (!limit_.none()) deadline_timer_.start_at(limit_.due());
}

const http::RequestHead& Exchange::outbound() {
  if (!outbound_) {
    outbound_ = front_.borrow_head();
    std::string_view withheld;
    if (decision_.rollout && !rollout::may_force(decision_.rollout->plan, identity_.address().bytes())) {
      withheld = decision_.rollout->plan.force_header;
    }
    make_outbound_head({request(), route(), identity_, stream_.connection().local_port, site_->config->via,
                        decision_.outcome(), withheld, site_->config->timeout_header,
                        limit_.write_left(front_.here_.loop.now())},
                       *outbound_);
  } else if (!limit_.none()) {
    tell_time_left();
  }
  return *outbound_;
}

// Another attempt has less of it. A rule of the route may have taken the field out, or set another.
void Exchange::tell_time_left() {
  for (http::Field& field : outbound_->fields.list()) {
    if (limit_.is_ours(field.value)) field.value = limit_.write_left(front_.here_.loop.now());
  }
}

http::BodyReader& Exchange::request_body() {
  if (!continue_left_to_session_ && !std::exchange(body_wanted_, true)) stream_.send_continue();
  return stream_.request_body();
}

std::string_view Exchange::mount() const {
  const config::PathMatch& path = route().rules().path;
  return path.kind == config::PathMatch::Kind::regex ? std::string_view() : std::string_view(path.value);
}

handler::Handler* Exchange::find_target(std::string_view name) {
  const route::Target* target = site_->targets->find_target(name);
  return target && target->endpoint ? target->endpoint->handler : nullptr;
}

handler::Retry Exchange::retry() const {
  switch (route().rules().retry) {
    case config::Route::Retry::off:
      return handler::Retry::off;
    case config::Route::Retry::always:
      return handler::Retry::always;
    case config::Route::Retry::idempotent:
      break;
  }
  return handler::Retry::idempotent;
}

// ---- the answer
// -----------------------------------------------------------------------------------------------------

void Exchange::respond(const http::ResponseHead& head) {
  if (stream_.responded() || session_over_) return;
  if (is_gateway_error(head.status) && fall_back(shm::FallbackReason::status)) return;
  if (head.status == 101) {
    if (request().upgrade.empty()) {
      return fail(handler_error(502, "answered 101 to a request without Upgrade"));
    }
    deadline_timer_.stop();
  }
  http::ResponseHead& out = front_.response_;
  make_answer_head(request(), head, notes_.upstream_address.empty() ? "" : site_->config->via, out);
  if (!taker_) watch_long_lived(out);
  finish_head(out);
}

void Exchange::hand_over(const http::ResponseHead& head, handler::Taker& taker) {
  CHECK(head.status == 101 || (head.status == 200 && request().method != http::Method::head));
  if (!request().body.is_empty()) return fail(client_error(400, "this request cannot have a body"));
  deadline_timer_.stop();
  taker_ = &taker;
  respond(head);
}

// A long-lived answer of a rollout's bucket is ended when the rollout has moved the bucket; see follow.h.
std::optional<HandedOver::Followed> Exchange::followed() const {
  const rollout::Decision& rolled = decision_.rolled;
  if (!decision_.rollout || !rolled.bucket_used || rolled.reason == shm::Reason::lua) return {};
  const rollout::Plan& plan = decision_.rollout->plan;
  const shm::Side answering = fell_back_ ? shm::Side::legacy : decision_.side;
  return HandedOver::Followed{
      plan.name, {rollout::bucket_recipe(plan), rolled.bucket, rolled.percent, answering}, route().number()};
}

void Exchange::watch_long_lived(const http::ResponseHead& head) {
  const LongLived::Kind kind = LongLived::kind_of(request(), head);
  if (kind == LongLived::Kind::none) return;
  long_lived_ =
      std::make_unique<LongLived>(LongLived::Surroundings{front_.here_.loop, front_.here_.buffers,
                                                          front_.follow_, front_.farewells_, front_.random_},
                                  kind, stream_.response_body(), static_cast<LongLived::Owner&>(*this));
  if (auto member = followed()) long_lived_->follow(member->rollout, member->decided);
}

void Exchange::end_long_lived() {
  session_over_ = true;
  session_.reset();
  stream_.request_body().abandon();
  // A client that comes back on this connection would come back to a process that is about to go.
  if (ended_by() == LongLived::Cause::stopping) stream_.close_after_answer();
  if (!stream_.response_body().finished()) stream_.response_body().end();
}

// Fields that every answer gets, then the stream has it.
void Exchange::finish_head(http::ResponseHead& head) {
  using http::FieldId;
  if (!head.fields.find(FieldId::date)) head.fields.add(FieldId::date, front_.timestamps().http_date());
  if (decision_.rolled.assign && decision_.rollout) {
    rollout::KeyText key = rollout::key_text(random_);
    head.fields.add_copy(FieldId::set_cookie,
                         rollout::assigned_cookie(decision_.rollout->plan, key.view(), client().tls));
  }
  if (decision_.route && may_see_timing(identity_, *site_->config, decision_)) {
    head.fields.add_copy("Server-Timing", server_timing(decision_, notes_, fallback_reason_,
                                                        front_.here_.loop.now() - arrived_));
  }
  if (decision_.route) apply_rules(route().rules().response_headers, head.fields);
  status_ = head.status;
  limit_.extend();
  if (decision_.rollout && (route().rules().stream || is_endless(head))) {
    count_for_rollout(http::StreamEnd::complete, {});
  }
  taker_ ? stream_.hand_over(head) : stream_.respond(head);
}

void Exchange::answer(int status, std::string_view content_type, std::string_view body,
                      http::Fields& fields) {
  http::ResponseHead& head = front_.response_;
  head.clear();
  head.status = status;
  head.body = {http::BodyKind::sized, body.size()};
  if (!content_type.empty()) head.fields.add(http::FieldId::content_type, content_type);
  for (const http::Field& field : fields) head.fields.add(field);
  finish_head(head);
  if (!stream_.response_body().finished()) {
    stream_.response_body().write_copy(front_.here_.buffers.small, body);
    stream_.response_body().end();
  }
}

void Exchange::answer_error(const Error& error) {
  bool json = http::accepts_json(request().fields.get(http::FieldId::accept));
  // Only the client's own mistakes are explained to it; the rest is for the log.
  std::string_view detail =
      error.fault == Fault::client ? std::string_view(error.message) : std::string_view();
  http::Fields fields;
  add_error_fields(error, site_->config->via.empty() ? "banyan" : site_->config->via, fields);
  if (!error_) error_ = error;
  stream_.restart_response_body();
  answer(error.status, http::error_content_type(json), http::error_body(error.status, detail, json), fields);
}

// ---- failures
// -------------------------------------------------------------------------------------------------------

void Exchange::fail(Error error) {
  if (session_over_) return;
  if (error.fault != Fault::client) {
    LOG(warn, "{} {} {}: {}: {}", request().method_text, request().host, request().path,
        decision_.endpoint ? decision_.endpoint->name : "", error.message);
  }
  if (!stream_.responded() && error.fault != Fault::client &&
      fall_back(fallback_reason(error), error.nothing_sent)) {
    return;
  }
  session_over_ = true;
  error_ = std::move(error);
  if (stream_.responded()) {
    stream_.abort();
  } else {
    answer_error(Error(*error_));
  }
  deferred_.schedule();
}

// Once at most.
bool Exchange::may_fall_back(bool nothing_sent) const {
  return fallback_reason_.empty() &&
         exchange::may_fall_back({decision_, request(), route().rules().retry,
                                  front_.here_.loop.now() < limit_.end(), stream_.can_rewind_request_body(),
                                  nothing_sent});
}

// True if legacy takes over: it may, and the budget covers it.
bool Exchange::fall_back(shm::FallbackReason reason, bool nothing_sent) {
  if (!may_fall_back(nothing_sent)) return false;
  shm::Counters& counters = front_.here_.counters;
  const route::RolloutTarget& rollout = *decision_.rollout;
  if (!front_.fallbacks_.take(rollout.number, rollout.plan.fallback_budget, front_.here_.loop.now())) {
    fallback_reason_ = kNoBudget;
    counters.counter(shm::Metric::fallback_refused, route().number()).add();
    return false;
  }
  fallback_reason_ = shm::fallback_reason_name(reason);
  counters.counter(shm::Metric::fallback, route().number(), reason).add();
  counters.counter(shm::Metric::decisions, route().number(), shm::Side::legacy, shm::Reason::fallback).add();
  session_over_ = true;
  falling_back_ = true;
  deferred_.schedule();
  return true;
}

void Exchange::on_deferred() {
  if (session_over_) session_.reset();
  if (!std::exchange(falling_back_, false)) return;
  session_over_ = false;
  fell_back_ = true;
  limit_.extend();
  stream_.restart_response_body();
  stream_.rewind_request_body();
  notes_ = {};
  decision_.endpoint = &decision_.rollout->legacy;
  open(*decision_.endpoint);
}

void Exchange::on_deadline() {
  if (front_.here_.loop.now() < limit_.end()) {  // native's share is over
    deadline_timer_.start_at(limit_.end());
    if (stream_.responded() || session_over_) return;
    if (!fall_back(shm::FallbackReason::timeout)) limit_.extend();
    return;
  }
  error_ = proxy_error("the route's deadline has passed");
  error_->status = 504;
  error_->type = "http_response_timeout";
  session_over_ = true;
  session_.reset();
  if (stream_.responded()) {
    stream_.abort();
  } else {
    answer_error(Error(*error_));
  }
}

// ---- the end
// --------------------------------------------------------------------------------------------------------

void Exchange::on_stream_end(http::StreamEnd end) {
  session_.reset();
  deadline_timer_.stop();
  deferred_.cancel();
  count(end);
  if (logged()) log(end);
  long_lived_.reset();
}

void Exchange::on_handed_over(std::unique_ptr<net::Stream> connection, std::string received) {
  deferred_.cancel();
  count(http::StreamEnd::complete);
  if (logged()) log(http::StreamEnd::complete);
  taker_->take({std::move(connection), std::move(received),
                std::make_unique<HandedOver>(front_, std::move(ticket_), followed())});
  session_.reset();
}

}  // namespace banyan::exchange
