// Its life: from the first byte to the last, between requests, and how it ends.
#include "http/h1_inbound.h"

#include "event/loop.h"
#include "http/error_page.h"

namespace banyan::http {
namespace {

// After the answer, how long a client may go on sending what nobody wants, so that it gets to read the answer
// before a reset destroys it (RFC 9112 section 9.6; nginx lingering_timeout and lingering_time).
constexpr Millis kLingerWait{5'000};
constexpr Millis kLingerTotal{30'000};

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
  write_error_response(error.status, error.message, opener_.http_date(), work_->sender.text());
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
