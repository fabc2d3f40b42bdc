// What goes to the client: the answer of the exchange, a tunnel, a connection that is handed over.
#include "base/check.h"
#include "event/loop.h"
#include "http/h1_inbound.h"
#include "http/h1_writer.h"

namespace banyan::http {
namespace {

// In a tunnel, how long one direction may go on after the other has ended.
constexpr Millis kHalfClosedTunnel{30'000};

}  // namespace

void H1Inbound::limit_request_body(uint64_t bytes) { work_->receiver.limit(bytes); }

void H1Inbound::send_continue() {
  if (!work_->head.expect_continue || work_->continue_sent || work_->sender.started()) return;
  if (work_->request_body.total() > 0 || work_->receiver.done()) return;
  work_->continue_sent = true;
  work_->sender.text() += "HTTP/1.1 100 Continue\r\n\r\n";
  deferred_.schedule();
}

void H1Inbound::interim(const ResponseHead& head) {
  if (work_->head.minor_version == 0 || work_->sender.started()) return;
  if (head.status == 100) return send_continue();
  write_response_head(head, {.framing = Framing::none, .interim = true}, work_->sender.text());
  deferred_.schedule();
}

void H1Inbound::respond(const ResponseHead& head) {
  CHECK(!work_->sender.started());
  if (head.status == 101) return enter_tunnel(head);
  // Bytes behind a request that asked for an upgrade belong to a protocol that was not agreed on.
  if (!work_->head.upgrade.empty() && !input_.empty()) keep_alive_ = false;
  if (opener_.draining()) keep_alive_ = false;
  // A body that was refused, or is still held back behind "Expect: 100-continue", will not be read to its
  // end.
  bool held_back = work_->head.expect_continue && !work_->continue_sent;
  if (!work_->receiver.done() && (head.status >= 400 || held_back)) keep_alive_ = false;
  ResponseOptions options;
  bool streamed = head.body.kind == BodyKind::streamed;
  bool old_client = work_->head.minor_version == 0;
  if (has_no_body(work_->head.method, head.status)) {
    options.framing = Framing::none;
    work_->response_body.reader().abandon();
  } else if (!streamed) {
    options.framing = Framing::sized;
  } else if (old_client) {
    options.framing = Framing::until_close;
    keep_alive_ = false;
  } else {
    options.framing = Framing::chunked;
  }
  options.keep_alive = keep_alive_;
  options.old_client = old_client;
  options.request_method = work_->head.method;
  write_response_head(head, options, work_->sender.text());
  work_->sender.start(options.framing, head.body.kind == BodyKind::sized ? head.body.size : 0,
                      &work_->response_body.reader());
  deferred_.schedule();
}

void H1Inbound::enter_tunnel(const ResponseHead& head) {
  CHECK(!work_->head.upgrade.empty() && work_->receiver.done());
  keep_alive_ = false;
  write_response_head(head, {.framing = Framing::until_close, .upgrade = true}, work_->sender.text());
  work_->sender.start(Framing::until_close, 0, &work_->response_body.reader());
  work_->request_body.reopen();
  work_->receiver.reset();
  work_->receiver.start(Framing::until_close, 0, work_->request_body.writer());
  state_ = State::tunnel;
  start_timer(opener_.inbound_settings().tunnel_timeout);
  if (input_ended_) work_->receiver.end_of_input();
  deferred_.schedule();
}

void H1Inbound::hand_over(const ResponseHead& head) {
  const bool upgrade = head.status == 101;
  CHECK(!work_->sender.started() && work_->receiver.done() && !(upgrade && work_->head.upgrade.empty()));
  keep_alive_ = false;
  leaving_ = true;
  write_response_head(head, {.framing = Framing::until_close, .upgrade = upgrade}, work_->sender.text());
  work_->sender.start(Framing::none, 0, nullptr);
  deferred_.schedule();
}

// The head has gone out. Nothing is touched after the owner was told.
void H1Inbound::leave() {
  if (input_ended_) return close(StreamEnd::client_gone);
  closing_ = true;
  timer_.stop();
  deferred_.cancel();
  work_->user->on_handed_over(std::move(stream_),
                              input_.empty() ? std::string() : std::string(input_.data(), input_.size()));
  work_->user.reset();
  streams_.give_back(std::move(work_));
  owner_.on_connection_closed(*this);
}

void H1Inbound::on_body() { write_on(); }

void H1Inbound::on_writable() {
  if (blocked_) write_on();
}

// May hand the connection over and so be its last act: nobody reads or writes after it but as above.
void H1Inbound::write_on() {
  if (closing_ || !work_ || (state_ != State::exchange && state_ != State::tunnel)) return;
  if (state_ == State::tunnel && work_->sender.finished()) return;
  SendStatus status = work_->sender.flush(*stream_);
  bool was_blocked = std::exchange(blocked_, status == SendStatus::blocked);
  if (was_blocked) work_->waited += loop_.now() - work_->waiting_since;
  work_->waiting_since = loop_.now();
  switch (status) {
    case SendStatus::blocked:
      if (reads_too_slowly()) {
        stream_->reset_on_close();
        return close(StreamEnd::client_slow);
      }
      start_timer(opener_.inbound_settings().write_timeout);
      break;
    case SendStatus::waiting:
      if (was_blocked) resume_input_timer();
      if (state_ == State::tunnel) start_timer(opener_.inbound_settings().tunnel_timeout);
      break;
    case SendStatus::done:
      if (leaving_) return leave();
      state_ == State::tunnel ? finish_tunnel_output() : finish_exchange();
      break;
    case SendStatus::body_failed:
      close(StreamEnd::broken_off);
      break;
    case SendStatus::error:
      close(StreamEnd::client_gone);
      break;
  }
}

void H1Inbound::resume_input_timer() {
  const InboundSettings& settings = opener_.inbound_settings();
  if (work_->receiver.done()) {
    timer_.stop();
  } else {
    start_timer(settings.body_timeout);
  }
}

void H1Inbound::finish_tunnel_output() {
  stream_->shutdown_write();
  if (input_ended_) return close(StreamEnd::complete);
  start_timer(kHalfClosedTunnel);
}

void H1Inbound::finish_exchange() {
  if (work_->user) {
    work_->user->on_stream_end(StreamEnd::complete);
    work_->user.reset();
  }
  if (work_->receiver.done() || unread_request_ || !keep_alive_) return begin_next();
  state_ = State::draining;
  work_->request_body.reader().abandon();
  start_timer(opener_.inbound_settings().body_timeout);
  read_on();
}

// Each byte taken begins the write time-out anew, so taking one now and then would keep an answer for ever.
bool H1Inbound::reads_too_slowly() {
  const InboundSettings& settings = opener_.inbound_settings();
  if (settings.response_rate == 0 || state_ == State::tunnel ||
      work_->waited < settings.response_rate_after) {
    return false;
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(work_->waited).count();
  return work_->sender.bytes_sent() < settings.response_rate * static_cast<uint64_t>(seconds);
}

}  // namespace banyan::http
