// A client's HTTP/1 connection.
//
//            ┌────────────── next request ───────────────┐
//            ▼                                            │
//   idle ─▶ head ─▶ exchange (body in, answer out) ─▶ finished ─▶ lingering ─▶ closed
//                          ├─ 101 ─▶ tunnel ──────────────────────────────────▶ closed
//                          └─ hand_over() ─▶ somebody else's
//
// The connection object is small and holds no buffer while it is idle; what a request needs (H1Stream) is
// borrowed from a pool of the worker. Requests that arrive behind one another (pipelining) are answered one
// after the other.
#pragma once

#include <memory>

#include "event/timer.h"
#include "http/h1_input.h"
#include "http/h1_stream.h"
#include "http/inbound.h"
#include "net/stream.h"

namespace banyan::http {

class H1Inbound;

// Who owns connections: the worker.
class InboundOwner {
 public:
  // The connection is over; dispose of it. Called from the loop, never inside a call to the connection.
  virtual void on_connection_closed(H1Inbound& connection) = 0;

 protected:
  ~InboundOwner() = default;
};

class H1Inbound final : public event::Disposable,
                        private InboundStream,
                        private net::Stream::Listener,
                        private BodyReader::Listener,
                        private BodyWriter::Listener {
 public:
  // All references outlive the connection.
  H1Inbound(event::Loop& loop, H1StreamPool& streams, StreamOpener& opener, InboundOwner& owner,
            std::unique_ptr<net::Stream> stream, const ConnectionInfo& info);
  ~H1Inbound() override;

  // Begins to read; false when the kernel refuses to watch the socket: destroy the connection then.
  [[nodiscard]] bool start();
  // Graceful end: at once when idle, else after the answer under way.
  void drain();
  // Closes it if it is idle and no request has come; true if so.
  bool retire();
  // Ends now, answer or not. The owner is told later.
  void shutdown();
  bool idle() const { return state_ == State::idle; }
  const ConnectionInfo& info() const { return info_; }

 private:
  enum class State : uint8_t {
    idle,       // between requests, nothing received of the next
    head,       // a part of a head has been received
    exchange,   // a request is being answered
    tunnel,     // after 101
    draining,   // answered before the request's body had come: the rest of it is read and thrown away
    lingering,  // everything was sent; what the client still sends is thrown away
  };

  // InboundStream, for the exchange.
  const RequestHead& head() const override { return work_->head; }
  const ConnectionInfo& connection() const override { return info_; }
  net::IpAddress local_address() const override {
    return stream_ ? net::IpAddress::of_local(stream_->fd()) : net::IpAddress();
  }
  BodyReader& request_body() override { return work_->request_body.reader(); }
  BodyWriter& response_body() override { return work_->response_body.writer(); }
  void limit_request_body(uint64_t bytes) override;
  void send_continue() override;
  void interim(const ResponseHead& head) override;
  void respond(const ResponseHead& head) override;
  void hand_over(const ResponseHead& head) override;
  bool responded() const override { return work_->sender.started(); }
  void keep_request_body(size_t limit) override { work_->request_body.keep_for_replay(limit); }
  bool can_rewind_request_body() const override { return work_->request_body.can_rewind(); }
  void rewind_request_body() override { work_->request_body.rewind(); }
  void restart_response_body() override { work_->response_body.restart(); }
  void close_after_answer() override { keep_alive_ = false; }
  void abort() override;
  uint64_t bytes_sent() const override { return work_->sender.bytes_sent(); }
  uint64_t body_bytes_sent() const override { return work_->sender.body_bytes_sent(); }
  uint64_t request_bytes() const override { return work_->head_bytes + work_->request_body.total(); }

  // From the socket, the pipes, the timer, the deferred queue.
  void on_readable() override;
  void on_writable() override;
  void on_body() override;
  void on_room() override;
  void on_timeout();
  bool reads_too_slowly();
  void on_deferred();

  void read_on();
  bool read_head();
  void open_stream(const InboundSettings& settings);
  bool read_body();
  void start_body_timer();
  bool read_ahead();
  bool discard();
  Result<bool> receive_body();
  bool fill(bool large);
  bool note(const net::IoResult& read);
  void on_handshake_done();
  void on_input_error();
  void on_input_end();
  void break_request_body(const Error& error);
  bool body_too_slow(const InboundSettings& settings) const;
  void enter_tunnel(const ResponseHead& head);
  void leave();
  void write_on();
  void finish_exchange();
  void begin_next();
  bool drain_body();
  void finish_tunnel_output();
  void end_stream(StreamEnd end);
  void refuse(const Error& error);
  void linger_or_close();
  void close(StreamEnd end);
  void start_timer(Millis timeout);
  void resume_input_timer();

  event::Loop& loop_;
  H1StreamPool& streams_;
  StreamOpener& opener_;
  InboundOwner& owner_;
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<H1Stream> work_;  // null while idle
  H1Input input_;
  event::Timer timer_;
  event::Deferred deferred_;
  ConnectionInfo info_;
  TimePoint since_;  // when it was opened; when lingering began
  State state_ = State::idle;
  StreamEnd end_ = StreamEnd::complete;  // for the stream that close() ends
  bool handshaking_ = false;             // TLS
  bool readable_ = false;                // the socket may have bytes that were not read yet
  bool input_ended_ = false;             // the client sends no more
  bool blocked_ = false;                 // the socket takes no more
  bool keep_alive_ = false;              // after the answer under way
  bool unread_request_ = false;  // the client may still be sending a request that is not wanted any more
  bool leaving_ = false;         // when the head has gone out the connection is somebody else's
  bool closing_ = false;         // close() was called; the rest happens in on_deferred()
};

}  // namespace banyan::http
