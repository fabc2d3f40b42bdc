// What comes from the client: heads, bodies, what is read only to be thrown away.
#include "event/loop.h"
#include "http/error_page.h"
#include "http/h1_inbound.h"

namespace banyan::http {
namespace {

// How much of a body that nobody read is read away to keep the connection; beyond, a new one is cheaper.
constexpr uint64_t kMostDrained = 256 * 1024;

}  // namespace

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

// One read.
bool H1Inbound::fill(bool large) {
  if (!readable_ || input_ended_) return false;
  return note(input_.fill(*stream_, large));
}

// True when there are new bytes.
bool H1Inbound::note(const net::IoResult& read) {
  if (read.drained) readable_ = false;
  if (handshaking_ && stream_->handshake_done()) on_handshake_done();
  if (read.status == net::IoStatus::ok) return true;
  if (read.status == net::IoStatus::end) {
    input_ended_ = true;
    on_input_end();
  } else if (read.status == net::IoStatus::error) {
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
  work_->response_body.reader().listen(this, stream_->can_splice() ? &streams_.buffers().pipes : nullptr);
  work_->user = opener_.open(*this);
}

// A part of the request's body, or of what goes through the tunnel.
bool H1Inbound::read_body() {
  BodyWriter& writer = work_->request_body.writer();
  if (writer.full()) {
    if (!blocked_) timer_.stop();  // it is not the client who is slow
    return false;
  }
  Result<bool> received = receive_body();
  if (!received) {
    break_request_body(received.error());
    return true;
  }
  if (!*received) {
    input_.release_if_empty();
    // It may have been stopped for want of room.
    if (!closing_ && !blocked_ && !timer_.running()) start_body_timer();
    return false;
  }
  const InboundSettings& settings = opener_.inbound_settings();
  if (body_too_slow(settings)) {
    break_request_body(client_error(408, "request body arrives too slowly"));
  } else if (!blocked_) {
    start_body_timer();
  }
  return true;
}

// Until the next piece of what read_body() reads.
void H1Inbound::start_body_timer() {
  const InboundSettings& settings = opener_.inbound_settings();
  if (state_ == State::tunnel) {
    start_timer(settings.tunnel_timeout);
  } else if (work_->receiver.done()) {
    timer_.stop();
  } else {
    start_timer(settings.body_timeout);
  }
}

// False when there is no more now, or ever. An error is a framing error.
Result<bool> H1Inbound::receive_body() {
  if (input_.empty()) {
    if (readable_ && !input_ended_) {
      if (const auto spliced = work_->receiver.splice(*stream_)) return note(*spliced);
    }
    if (!fill(work_->receiver.expects_much())) return false;
  }
  Result<size_t> received = work_->receiver.receive(input_.block(), input_.data(), input_.size());
  if (!received) return std::move(received).error();
  input_.consume(*received);
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

// True as long as there is more to read at once.
bool H1Inbound::drain_body() {
  if (work_->receiver.done() || work_->request_body.total() > kMostDrained) {
    begin_next();
    return false;
  }
  return read_body();
}

void H1Inbound::on_room() { read_on(); }

}  // namespace banyan::http
