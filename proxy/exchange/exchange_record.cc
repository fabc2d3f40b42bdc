// What is told of a request when it is over: counters, its rollout's statistics, one log line.
#include "exchange/ending.h"
#include "exchange/exchange.h"
#include "exchange/termination.h"

namespace banyan::exchange {

void Exchange::count(http::StreamEnd end) {
  shm::Counters& counters = front_.here_.counters;
  uint32_t number = decision_.route ? route().number() : 0;
  int status = status_ != 0 ? status_ : end == http::StreamEnd::client_gone ? 499 : 500;
  counters.counter(shm::Metric::http_requests, number, decision_.side, request().method, status).add();
  if (decision_.route) {
    counters.counter(shm::Metric::http_requests_in_flight, number, decision_.side).subtract();
  }
  counters.histogram(shm::Metric::http_request_duration, number, decision_.side)
      .observe(front_.here_.loop.now() - arrived_);
  if (ended_by() == LongLived::Cause::moved) {
    counters.counter(shm::Metric::connections_moved, number, decision_.side).add();
  }
  counters.counter(shm::Metric::http_request_bytes, number, decision_.side).add(stream_.request_bytes());
  counters.counter(shm::Metric::http_response_bytes, number, decision_.side).add(stream_.bytes_sent());
  if (decision_.rollout) count_for_rollout(end, front_.here_.loop.now() - arrived_);
}

// Once for each request; see ending.h.
void Exchange::count_for_rollout(http::StreamEnd end, std::optional<Duration> duration) {
  if (refused_ || std::exchange(counted_for_rollout_, true)) return;
  const Compared compared = compared_side(decision_);
  if (compared.side == shm::Side::none) return;
  std::optional<shm::Ending> ending = ending_of({end, status_, error_ ? &*error_ : nullptr, fell_back_});
  if (!ending) return;
  const uint32_t number = decision_.rollout->number;
  if (compared.diverted || !duration) {
    front_.here_.rollouts.count(number, compared.side, compared.diverted ? shm::Ending::diverted : *ending);
  } else {
    front_.here_.rollouts.count(number, compared.side, *ending, *duration);
  }
}

bool Exchange::logged() const {
  return site_->config->log.access.path != "off" && (!decision_.route || route().rules().access_log);
}

void Exchange::log(http::StreamEnd end) {
  AccessFacts facts;
  facts.request = &request();
  facts.decision = &decision_;
  facts.notes = &notes_;
  facts.remote_addr = client().ip;
  facts.request_id = identity_.request_id();
  facts.trace_id = identity_.trace_id();
  facts.tls_protocol = stream_.connection().tls_protocol;
  facts.client_subject = stream_.connection().client_subject;
  facts.status = status_ != 0 ? status_ : 499;
  facts.body_bytes_sent = stream_.body_bytes_sent();
  facts.request_length = stream_.request_bytes();
  facts.request_time = front_.here_.loop.now() - arrived_;
  facts.conn_requests = stream_.connection().requests;
  facts.fallback = fell_back_;
  facts.fallback_reason = fallback_reason_;
  facts.term = termination_of({end, ended_by(), stream_.responded(), refused_, error_ ? &*error_ : nullptr});
  if (error_) facts.error = error_->message;
  if (ended_by() == LongLived::Cause::moved) facts.error = "the rollout has moved this client";
  if (ended_by() == LongLived::Cause::stopping) facts.error = "this process stops";
  front_.write_access(facts, *site_);
}

}  // namespace banyan::exchange
