#include "http/h1_inbound.h"

#include "base/check.h"
#include "event/loop.h"
#include "http/error_page.h"
#include "http/h1_writer.h"

namespace banyan::http {
namespace {

// After the answer, how long a client may go on sending what nobody wants, so that it gets to read the answer
// before a reset destroys it (RFC 9112 section 9.6; nginx lingering_timeout and lingering_time).
constexpr Millis kLingerWait{5'000};
constexpr Millis kLingerTotal{30'000};
// How much of a body that nobody read is read away to keep the connection; beyond, a new one is cheaper.
constexpr uint64_t kMostDrained = 256 * 1024;
// In a tunnel, how long one direction may go on after the other has ended.
constexpr Millis kHalfClosedTunnel{30'000};

}  // namespace

H1Inbound::H1Inbound(event::Loop& loop, H1StreamPool& streams, StreamOpener& opener, InboundOwner& owner,
                     std::unique_ptr<net::Stream> stream, const ConnectionInfo& info)
    : loop_(loop),
      streams_(streams),
      opener_(opener),
      owner_(owner),
      stream_(std::move(stream)),
      input_(streams.buffers()),
      timer_(loop, Callback::to<&H1Inbound::on_timeout>(this)),
      deferred_(loop, Callback::to<&H1Inbound::on_deferred>(this)),
      info_(info),
      since_(loop.now()) {}

H1Inbound::~H1Inbound() = default;

bool H1Inbound::start() {
  const InboundSettings& settings = opener_.inbound_settings();
  handshaking_ = !stream_->handshake_done();
  start_timer(handshaking_ ? settings.handshake_timeout : settings.header_timeout);
  return stream_->start(*this);
}

void H1Inbound::drain() {
  keep_alive_ = false;
  retire();
}

// A request that has come meanwhile is answered: its client could not know.
bool H1Inbound::retire() {
  if (closing_ || state_ != State::idle) return false;
  on_readable();
  if (state_ != State::idle) return false;
  close(StreamEnd::complete);
  return true;
}

void H1Inbound::shutdown() { close(StreamEnd::shutdown); }

void H1Inbound::abort() { close(StreamEnd::broken_off); }

void H1Inbound::start_timer(Millis timeout) {
  if (timeout.count() > 0) {
    timer_.start(timeout);
  } else {
    timer_.stop();
  }
}

// ---- input
// ----------------------------------------------------------------------------------------------------------

void H1Inbound::on_readable() {
  readable_ = true;
  read_on();
}

void H1Inbound::read_on() {
  bool more = true;
  while (more && !closing_) {
    switch (state_) {
      case State::idle:
      case State::head:
        more = read_head();
        break;
      case State::exchange:
        more = work_->receiver.done() ? read_ahead() : read_body();
        break;
      case State::tunnel:
        more = read_body();
        break;
      case State::draining:
        more = drain_body();
        break;
      case State::lingering:
        more = discard();
        break;
    }
  }
}

// One read. True when there are new bytes.
bool H1Inbound::fill(bool large) {
  if (!readable_ || input_ended_) return false;
  net::IoResult result = input_.fill(*stream_, large);
  if (result.drained) readable_ = false;
  if (handshaking_ && stream_->handshake_done()) on_handshake_done();
  if (result.status == net::IoStatus::ok) return true;
  if (result.status == net::IoStatus::end) {
    input_ended_ = true;
    on_input_end();
  } else if (result.status == net::IoStatus::error) {
    on_input_error();
  }
  return false;
}

void H1Inbound::on_handshake_done() {
  handshaking_ = false;
  opener_.on_handshake(info_, {});
  start_timer(opener_.inbound_settings().header_timeout);
}

void H1Inbound::on_input_error() {
  if (!std::exchange(handshaking_, false)) return close(StreamEnd::client_gone);
  opener_.on_handshake(info_, stream_->failure());
  // The answer every browser's user and every curl can read; nginx calls it 497 in its log.
  if (stream_->speaks_plain_http()) {
    return refuse(client_error(400, "a plain HTTP request was sent to an HTTPS port"));
  }
  close(StreamEnd::client_gone);
}

void H1Inbound::on_input_end() {
  if (state_ == State::exchange && work_->receiver.done()) {
    // Half-closed: the answer still goes out. But who ends the connection while an answer without a known end
    // is on its way has had enough of it, and a silent event stream would not notice otherwise.
    if (work_->sender.started() && work_->sender.open_ended()) close(StreamEnd::client_gone);
    return;
  }
  if (state_ == State::tunnel) {
    work_->receiver.end_of_input();
    if (work_->sender.finished()) close(StreamEnd::complete);
    return;
  }
  close(state_ == State::exchange ? StreamEnd::client_gone : StreamEnd::complete);
}

bool H1Inbound::read_head() {
  if (!input_.empty()) {
    if (!work_) work_ = streams_.take();
    const InboundSettings& settings = opener_.inbound_settings();
    Result<size_t> parsed = parse_request_head(input_.block(), input_.begin(), input_.end(), settings.limits,
                                               work_->progress, work_->head);
    if (!parsed) {
      refuse(parsed.error());
      return true;
    }
    if (*parsed > 0) {
      input_.consume(*parsed);
      work_->head_bytes = *parsed;
      open_stream(settings);
      return true;
    }
    if (state_ == State::idle) {
      state_ = State::head;
      start_timer(settings.header_timeout);
    }
  }
  if (fill(input_.size() >= BufferPools::kSmall / 2)) return true;
  if (input_.empty()) input_.release_if_empty();
  return false;
}

void H1Inbound::open_stream(const InboundSettings& settings) {
  state_ = State::exchange;
  info_.tls_protocol = stream_->tls_protocol();
  if (info_.requests++ == 0) info_.client_subject = stream_->peer_subject();
  keep_alive_ = work_->head.keep_alive && !input_ended_ &&
                (settings.keepalive_requests == 0 || info_.requests < settings.keepalive_requests) &&
                (settings.keepalive_age.count() == 0 || loop_.now() - since_ < settings.keepalive_age);
  const BodyLength& body = work_->head.body;
  BodyWriter& writer = work_->request_body.writer();
  work_->receiver.start(body.kind == BodyKind::sized      ? Framing::sized
                        : body.kind == BodyKind::streamed ? Framing::chunked
                                                          : Framing::none,
                        body.size, writer);
  work_->body_began = loop_.now();
  if (work_->receiver.done()) {
    timer_.stop();
  } else {
    start_timer(settings.body_timeout);
  }
  writer.listen(this);
  work_->response_body.reader().listen(this);
  work_->user = opener_.open(*this);
}

// A part of the request's body, or of what goes through the tunnel.
bool H1Inbound::read_body() {
  BodyWriter& writer = work_->request_body.writer();
  if (writer.full()) {
    if (!blocked_) timer_.stop();  // it is not the client who is slow
    return false;
  }
  if (input_.empty() && !fill(work_->receiver.expects_much())) {
    input_.release_if_empty();
    return false;
  }
  Result<size_t> received = work_->receiver.receive(input_.block(), input_.data(), input_.size());
  if (!received) {
    break_request_body(received.error());
    return true;
  }
  input_.consume(*received);
  const InboundSettings& settings = opener_.inbound_settings();
  if (body_too_slow(settings)) {
    break_request_body(client_error(408, "request body arrives too slowly"));
  } else if (!blocked_) {
    if (state_ == State::tunnel) {
      start_timer(settings.tunnel_timeout);
    } else if (work_->receiver.done()) {
      timer_.stop();
    } else {
      start_timer(settings.body_timeout);
    }
  }
  return true;
}

// The rest of the request cannot be had; whoever reads the body answers for it.
void H1Inbound::break_request_body(const Error& error) {
  keep_alive_ = false;
  unread_request_ = true;
  if (!blocked_) timer_.stop();
  work_->receiver.fail(error);
}

bool H1Inbound::body_too_slow(const InboundSettings& settings) const {
  if (settings.body_rate == 0 || state_ == State::tunnel || work_->receiver.done()) return false;
  auto elapsed = loop_.now() - work_->body_began;
  if (elapsed < settings.body_rate_after) return false;
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(elapsed).count();
  return work_->request_body.total() < settings.body_rate * static_cast<uint64_t>(seconds);
}

// While an answer is under way: what the client sends already belongs to its next request. Reading it notices
// a client that is gone; more than one block is left to the kernel.
bool H1Inbound::read_ahead() {
  if (input_.size() >= BufferPools::kSmall / 2) return false;
  if (fill(false)) return true;
  input_.release_if_empty();
  return false;
}

bool H1Inbound::discard() {
  input_.clear();
  if (loop_.now() >= since_ + kLingerTotal) {
    close(StreamEnd::complete);
    return false;
  }
  if (!fill(true)) return false;
  start_timer(kLingerWait);
  return true;
}

void H1Inbound::on_room() { read_on(); }

// ---- output
// ---------------------------------------------------------------------------------------------------------

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

void H1Inbound::on_deferred() {
  if (closing_) {
    // What came before the failure is the client's.
    if (end_ == StreamEnd::broken_off && work_ && work_->sender.started()) work_->sender.flush(*stream_);
    end_stream(end_);
    if (info_.requests == 0) opener_.on_no_request(info_);
    stream_.reset();
    owner_.on_connection_closed(*this);
    return;
  }
  write_on();
  read_on();
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

// True as long as there is more to read at once.
bool H1Inbound::drain_body() {
  if (work_->receiver.done() || work_->request_body.total() > kMostDrained) {
    begin_next();
    return false;
  }
  return read_body();
}

void H1Inbound::begin_next() {
  if (!work_->receiver.done()) unread_request_ = true;
  end_stream(StreamEnd::complete);
  if (!keep_alive_ || unread_request_ || input_ended_) return linger_or_close();
  state_ = State::idle;
  if (input_.empty()) {
    input_.release_if_empty();
    start_timer(opener_.inbound_settings().keepalive_timeout);
  }
  if (readable_ || !input_.empty()) read_on();
}

// The user's last notice. It is on no stack frame here: its calls only queue work.
void H1Inbound::end_stream(StreamEnd end) {
  if (!work_) return;
  if (work_->user) {
    work_->user->on_stream_end(end);
    work_->user.reset();
  }
  streams_.give_back(std::move(work_));
  blocked_ = false;
}

// A head that cannot be understood: answered here, nothing of it is handed on, and the connection ends.
void H1Inbound::refuse(const Error& error) {
  if (!work_) work_ = streams_.take();
  keep_alive_ = false;
  unread_request_ = true;
  state_ = State::exchange;
  ++info_.requests;
  write_error_response(error.status, error.message, work_->sender.text());
  opener_.on_refused(info_, error, work_->sender.text().size());
  work_->receiver.start(Framing::none, 0, work_->request_body.writer());
  work_->sender.start(Framing::none, 0, nullptr);
  start_timer(opener_.inbound_settings().write_timeout);
  deferred_.schedule();
}

void H1Inbound::linger_or_close() {
  if (input_ended_ || (!unread_request_ && !readable_ && input_.empty())) return close(StreamEnd::complete);
  stream_->shutdown_write();
  state_ = State::lingering;
  since_ = loop_.now();
  start_timer(kLingerWait);
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

void H1Inbound::on_timeout() {
  switch (state_) {
    case State::idle:
      if (handshaking_) opener_.on_handshake(info_, "it did not end in time");
      [[fallthrough]];
    case State::lingering:
    case State::draining:
      return close(StreamEnd::complete);
    case State::head:
      return refuse(client_error(408, "the request head did not arrive in time"));
    case State::tunnel:
      return close(StreamEnd::client_slow);
    case State::exchange:
      if (blocked_ || !work_->user) {
        stream_->reset_on_close();
        return close(StreamEnd::client_slow);
      }
      if (!work_->receiver.done())
        break_request_body(client_error(408, "the request body did not arrive in time"));
  }
}

// Ends the connection at the next turn of the deferred queue, so that this may be called from anywhere.
void H1Inbound::close(StreamEnd end) {
  if (closing_) return;
  closing_ = true;
  end_ = end;
  timer_.stop();
  deferred_.schedule();
}

}  // namespace banyan::http
