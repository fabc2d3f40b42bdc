#include "http/h1_outbound.h"

#include <cerrno>
#include <charconv>

#include "base/check.h"
#include "base/error.h"
#include "event/loop.h"
#include "http/h1_writer.h"
#include "net/connect_socket.h"
#include "net/proxy_protocol.h"

namespace banyan::http {
namespace {

// Holds nearly every response's head.
constexpr size_t kHeadSize = 4096;

}  // namespace

H1Outbound::H1Outbound(event::Loop& loop, BufferPools& buffers, std::unique_ptr<net::Stream> stream,
                       const net::SocketAddress& address, const OutboundSettings& settings,
                       std::string proxy_header)
    : loop_(loop),
      stream_(std::move(stream)),
      address_(address),
      settings_(settings),
      proxy_header_(std::move(proxy_header)),
      pipes_(buffers.pipes),
      input_(buffers),
      timer_(loop, Callback::to<&H1Outbound::on_timeout>(this)),
      second_look_(loop, Callback::to<&H1Outbound::look_again>(this)),
      deferred_(loop, Callback::to<&H1Outbound::on_deferred>(this)),
      began_(loop.now()) {
  if (!stream_->start(*this)) {
    pending_error_ = net::connect_error(address_, ENOMEM);
    return;
  }
  stream_->want_write();
  start_timer(settings_.connect_timeout);
}

H1Outbound::~H1Outbound() = default;

void H1Outbound::start_timer(Millis timeout) {
  if (timeout.count() > 0) {
    timer_.start(timeout);
  } else {
    timer_.stop();
  }
}

void H1Outbound::start(const RequestHead& request, BodyReader* body, BodyWriter& response, User& user) {
  CHECK(state_ == State::idle && !user_);
  state_ = State::exchange;
  user_ = &user;
  ++exchanges_;
  interims_ = 0;
  method_ = request.method;
  request_body_ = body;
  response_body_ = &response;
  responded_ = until_close_ = false;
  Framing framing = !body || request.body.kind == BodyKind::none ? Framing::none
                    : request.body.kind == BodyKind::sized       ? Framing::sized
                                                                 : Framing::chunked;
  upgrade_asked_ = request.upgrade;
  write_request_head(request, {.framing = framing}, sender_.text());
  sender_.start(framing, request.body.size, body);
  if (body) body->listen(this, stream_->can_splice() ? &pipes_ : nullptr);
  response.listen(this);
  deferred_.schedule();
}

void H1Outbound::release() {
  if (request_body_) request_body_->listen(nullptr);
  if (response_body_) response_body_->listen(nullptr);
  request_body_ = nullptr;
  response_body_ = nullptr;
  user_ = nullptr;
  timer_.stop();
  second_look_.stop();
  deferred_.cancel();
  if (state_ != State::idle) {
    state_ = State::closed;
    stream_.reset();
  }
  suspect_ = false;
  sender_.reset();
  receiver_.reset();
  head_.clear();
  progress_ = {};
  input_.release_if_empty();
  idle_since_ = loop_.now();
}

void H1Outbound::on_deferred() {
  if (pending_error_) return fail(*std::exchange(pending_error_, std::nullopt));
  if (!connecting_) write_on();
}

// ---- output
// ---------------------------------------------------------------------------------------------------------

void H1Outbound::on_writable() {
  if (connecting_) return finish_connect();
  if (blocked_) write_on();
}

void H1Outbound::finish_connect() {
  int error = net::take_connect_error(stream_->fd());
  if (error == 0 && !proxy_header_.empty()) error = net::send_proxy_header(stream_->fd(), proxy_header_);
  if (error != 0) return fail(net::connect_error(address_, error));
  connecting_ = false;
  securing_ = !stream_->handshake_done();
  if (!securing_) finish_opening();
  write_on();
}

void H1Outbound::finish_opening() {
  connect_time_ = loop_.now() - began_;
  timer_.stop();
}

void H1Outbound::on_body() {
  if (!connecting_) write_on();
}

void H1Outbound::write_on() {
  if ((state_ != State::exchange && state_ != State::tunnel) || sender_.finished()) return;
  if (securing_ && stream_->handshake_done()) {
    securing_ = false;
    finish_opening();
  }
  SendStatus status = sender_.flush(*stream_);
  blocked_ = status == SendStatus::blocked;
  if (securing_ && blocked_) return;  // the first write began the handshake
  switch (status) {
    case SendStatus::blocked:
      start_timer(settings_.idle_timeout);
      break;
    case SendStatus::waiting:
      if (state_ == State::tunnel) {
        start_timer(settings_.tunnel_timeout);
      } else if (!responded_) {
        timer_.stop();  // the client's own timeouts watch over its body
      }
      break;
    case SendStatus::done:
      if (state_ == State::tunnel) {
        stream_->shutdown_write();
        if (receiver_.done()) finish_exchange();
      } else if (!responded_) {
        start_timer(settings_.response_timeout);
      }
      break;
    case SendStatus::body_failed: {
      const Error* error = request_body_->error();
      fail(error ? *error : client_error(400, "request body has another size than announced"));
      break;
    }
    case SendStatus::error:
      // A server that refuses a body answers and closes; its answer may be waiting.
      readable_ = true;
      read_on();
      if (state_ != State::closed && user_ && !responded_) fail(closed_early());
      break;
  }
}

// ---- input
// ----------------------------------------------------------------------------------------------------------

void H1Outbound::on_readable() {
  readable_ = true;
  if (!connecting_) read_on();
}

void H1Outbound::on_room() { read_on(); }

void H1Outbound::read_on() {
  bool more = true;
  while (more) {
    switch (state_) {
      case State::idle:
        more = false;
        if (fill(false)) {  // bytes nobody asked for: the next answer could not be told from them
          state_ = State::closed;
          stream_.reset();
          if (keeper_) keeper_->on_idle_closed(*this);
        }
        break;
      case State::exchange:
        more = responded_ ? read_body() : read_head();
        break;
      case State::tunnel:
        more = read_body();
        break;
      case State::closed:
        more = false;
        break;
    }
  }
}

// The kernel tells of bytes and a reset that came together only once, and libevent does not tell them from
// bytes alone. So an answer that came in part and does not go on is looked for once more. Not at once: that
// would be a second read for each part of each answer.
void H1Outbound::look_again() {
  readable_ = true;
  read_on();
}

bool H1Outbound::fill(bool large, size_t most) {
  if (!readable_) {
    if (std::exchange(suspect_, false)) second_look_.start(kSecondLook);
    return false;
  }
  return note(input_.fill(*stream_, large, most));
}

// True when there are new bytes.
bool H1Outbound::note(const net::IoResult& read) {
  suspect_ = read.drained && read.status == net::IoStatus::ok;
  if (read.drained) readable_ = false;
  if (read.status == net::IoStatus::ok) return true;
  if (read.status == net::IoStatus::again) return false;
  readable_ = false;
  if (read.status == net::IoStatus::error) reset_seen_ = true;
  on_input_end();
  return false;
}

void H1Outbound::on_input_end() {
  if (state_ == State::idle) {
    state_ = State::closed;
    stream_.reset();
    if (keeper_) keeper_->on_idle_closed(*this);
    return;
  }
  if (!responded_) return fail(closed_early());
  if (!reset_seen_ && receiver_.end_of_input()) {
    if (state_ == State::tunnel && !sender_.finished()) return;  // the other direction may go on
    return finish_exchange();
  }
  fail(upstream_error(502, "http_response_incomplete",
                      "server closed the connection in the middle of its answer"));
}

Error H1Outbound::closed_early() const {
  if (!input_.empty()) {
    return upstream_error(502, "http_response_incomplete",
                          "server closed the connection in the middle of its head");
  }
  if (const std::string_view why = stream_->failure(); !why.empty()) {
    const bool certificate = why.find("certificate") != why.npos;
    Error error = upstream_error(502, certificate ? "tls_certificate_error" : "tls_protocol_error",
                                 "TLS with the server: " + std::string(why));
    error.nothing_sent = sender_.bytes_sent() == 0;
    return error;
  }
  Error error =
      upstream_error(502, "connection_terminated", "server closed the connection before it answered");
  error.nothing_sent = sender_.bytes_sent() == 0;
  return error;
}

bool H1Outbound::read_head() {
  if (!input_.empty()) {
    Result<ResponseParse> parsed = parse_response_head(input_.block(), input_.begin(), input_.end(),
                                                       settings_.limits, method_, progress_, head_);
    if (!parsed) {
      fail(parsed.error());
      return false;
    }
    if (parsed->consumed > 0) {
      input_.consume(parsed->consumed);
      until_close_ = parsed->until_close;
      take_head();
      return true;
    }
  }
  // After a large answer the next one is to come with its head in one read; after one that was spliced, the
  // head is to come with little else.
  if (last_answer_ == Answer::spliced && response_body_->may_splice()) return fill(false, kHeadSize);
  return fill(last_answer_ != Answer::small);
}

void H1Outbound::take_head() {
  progress_ = {};
  if (head_.status == 101) {
    if (upgrade_asked_.empty() || !equal_ignoring_case(head_.fields.get(FieldId::upgrade), upgrade_asked_))
      return fail(upstream_error(502, "http_protocol_error", "101 that nobody asked for"));
    responded_ = true;
    timer_.stop();
    state_ = State::tunnel;
    user_->on_response(head_);
    if (state_ != State::tunnel) return;
    sender_.reset();
    sender_.start(Framing::until_close, 0, request_body_);
    receiver_.start(Framing::until_close, 0, *response_body_);
    start_timer(settings_.tunnel_timeout);
    deferred_.schedule();
    return;
  }
  if (head_.status < 200) {
    if (++interims_ > kMostInterims) {
      return fail(upstream_error(502, "http_protocol_error", "too many informational responses"));
    }
    user_->on_interim(head_);
    head_.clear();
    return;
  }
  responded_ = true;
  keep_alive_ = head_.keep_alive;
  learn_idle_time();
  start_timer(settings_.idle_timeout);
  user_->on_response(head_);
  if (state_ != State::exchange) return;
  Framing framing = until_close_                            ? Framing::until_close
                    : has_no_body(method_, head_.status)    ? Framing::none
                    : head_.body.kind == BodyKind::streamed ? Framing::chunked
                    : head_.body.kind == BodyKind::sized    ? Framing::sized
                                                            : Framing::none;
  receiver_.start(framing, head_.body.size, *response_body_);
  if (receiver_.done()) finish_exchange();
}

bool H1Outbound::read_body() {
  if (receiver_.done()) return false;
  if (response_body_->full()) {
    if (!blocked_) timer_.stop();  // it is not the server who is slow
    return false;
  }
  Result<bool> received = receive_body();
  if (!received) {
    fail(received.error());
    return false;
  }
  if (!*received) {
    input_.release_if_empty();
    if (state_ == State::exchange && !blocked_ && !timer_.running()) start_timer(settings_.idle_timeout);
    return false;
  }
  if (receiver_.done()) {
    finish_exchange();
    return false;
  }
  start_timer(state_ == State::tunnel ? settings_.tunnel_timeout : settings_.idle_timeout);
  return true;
}

// False when there is no more now, or ever. An error is a framing error.
Result<bool> H1Outbound::receive_body() {
  if (input_.empty()) {
    if (readable_) {
      if (const auto spliced = receiver_.splice(*stream_)) return note(*spliced);
    }
    if (!fill(true)) return false;
  }
  Result<size_t> received = receiver_.receive(input_.block(), input_.data(), input_.size());
  if (!received) return std::move(received).error();
  input_.consume(*received);
  return true;
}

void H1Outbound::learn_idle_time() {
  each_list_element(head_.fields.get(FieldId::keep_alive), [&](std::string_view element) {
    constexpr std::string_view kTimeout = "timeout=";
    if (element.size() <= kTimeout.size() ||
        !equal_ignoring_case(element.substr(0, kTimeout.size()), kTimeout))
      return;
    uint32_t seconds = 0;
    std::string_view number = element.substr(kTimeout.size());
    auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), seconds);
    if (problem == std::errc() && end == number.data() + number.size())
      announced_idle_ = Millis{1000} * seconds;
  });
}

// ---- ends
// -----------------------------------------------------------------------------------------------------------

// The last read took as much as it asked for: what the kernel still has would become the answer of the next
// request, and nobody would be told of it again.
void H1Outbound::refuse_more() {
  if (fill(false)) state_ = State::closed;
  input_.release_if_empty();
}

void H1Outbound::finish_exchange() {
  timer_.stop();
  second_look_.stop();
  last_answer_ = receiver_.spliced()                           ? Answer::spliced
                 : receiver_.taken() > BufferPools::kSmall / 2 ? Answer::large
                                                               : Answer::small;
  bool clean =
      keep_alive_ && !until_close_ && sender_.finished() && input_.empty() && state_ == State::exchange;
  if (!sender_.finished() && request_body_)
    request_body_->abandon();  // answered early: the rest is not wanted
  state_ = clean ? State::idle : State::closed;
  if (clean && readable_) refuse_more();
  if (state_ == State::closed) stream_.reset();
  std::exchange(user_, nullptr)->on_exchange_end();
}

void H1Outbound::on_timeout() {
  if (connecting_) {
    return fail(net::connect_error(address_, ETIMEDOUT));
  }
  if (securing_) {
    Error error =
        upstream_error(504, "connection_timeout", "the TLS handshake with the server took too long");
    error.nothing_sent = true;
    return fail(std::move(error));
  }
  if (blocked_)
    return fail(upstream_error(504, "connection_write_timeout", "server does not read the request"));
  if (!responded_ && !input_.empty()) {
    return fail(upstream_error(504, "http_response_incomplete", "server did not finish its head in time"));
  }
  if (!responded_) return fail(upstream_error(504, "http_response_timeout", "server did not answer in time"));
  fail(upstream_error(504, "connection_read_timeout", "server stopped in the middle of its answer"));
}

void H1Outbound::fail(Error error) {
  state_ = State::closed;
  timer_.stop();
  second_look_.stop();
  stream_.reset();
  if (responded_ && response_body_ && !response_body_->finished()) response_body_->fail(error);
  if (user_) std::exchange(user_, nullptr)->on_failure(error);
}

}  // namespace banyan::http
