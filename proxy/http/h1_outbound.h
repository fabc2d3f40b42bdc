// A connection to an upstream server that carries one HTTP/1 exchange at a time.
//
//   connecting ─▶ idle ─ start() ─▶ exchange ─ both sides done ─▶ idle        (on_exchange_end, reusable)
//                                      └─ 101 ─▶ tunnel ─▶ closed            (on_exchange_end, not reusable)
//   any failure: closed                                                        (on_failure or on_idle_closed)
//
// start() may be called while it still connects; the request goes out as soon as it can.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "event/timer.h"
#include "http/h1_input.h"
#include "http/h1_parser.h"
#include "http/h1_receiver.h"
#include "http/h1_sender.h"
#include "http/head.h"
#include "net/ip_address.h"
#include "net/stream.h"

namespace banyan::http {

// Timeouts of one upstream; zero switches a timeout off.
struct OutboundSettings {
  Millis connect_timeout{3'000};
  Millis response_timeout{30'000};  // from the request's last byte to the response's head
  Millis idle_timeout{60'000};      // between two reads of a response body, or writes of a request body
  Millis tunnel_timeout{3'600'000};
  H1Limits limits;  // of response heads
};

class H1Outbound final : public event::Disposable,
                         private net::Stream::Listener,
                         private BodyReader::Listener,
                         private BodyWriter::Listener {
 public:
  // Who uses the connection for one exchange. Calls come from the loop, never inside start() or release().
  class User {
   public:
    // An informational response but 101.
    virtual void on_interim(const ResponseHead& head) = 0;
    // The final head, or 101. The body follows through the writer given to start(). `head` lives until the
    // exchange ends.
    virtual void on_response(const ResponseHead& head) = 0;
    // The whole answer was received.
    virtual void on_exchange_end() = 0;
    // The exchange failed. Before on_response, `error.nothing_sent` tells that no byte of the request was
    // given to the server. After it, the response body has been failed already.
    virtual void on_failure(const Error& error) = 0;

   protected:
    ~User() = default;
  };

  // Who keeps the connection while nobody uses it.
  class Keeper {
   public:
    // The server closed the idle connection (or sent something nobody asked for).
    virtual void on_idle_closed(H1Outbound& connection) = 0;

   protected:
    ~Keeper() = default;
  };

  // The stream's socket is connecting to `address`. Settings outlive the connection. What is to be sent
  // before all else, TLS too, is in `proxy_header` (net/proxy_protocol.h), if anything is.
  H1Outbound(event::Loop& loop, BufferPools& buffers, std::unique_ptr<net::Stream> stream,
             const net::SocketAddress& address, const OutboundSettings& settings,
             std::string proxy_header = {});
  ~H1Outbound() override;

  // Sends a request. `request` must stay until the call returns, `body` and `response` until the exchange
  // ended or release(). A null `body` means there is none whatever request.body says. REQUIRES: no exchange
  // under way.
  void start(const RequestHead& request, BodyReader* body, BodyWriter& response, User& user);
  // The user goes away (also after the end). The connection may be used again only if reusable().
  void release();
  // After an exchange: it ended cleanly on both sides and the server keeps the connection.
  bool reusable() const { return state_ == State::idle && stream_; }
  // Any byte of the request's body was taken from its pipe: it cannot be sent again.
  bool body_touched() const { return sender_.body_bytes_sent() > 0; }

  // Nothing of the final answer has come, and that is not for want of the request: it was sent whole, or the
  // connection does not come about.
  bool waits_for_server() const {
    return state_ == State::exchange && !responded_ && (connecting_ || securing_ || sender_.finished());
  }

  // Watches an idle connection for its end.
  void keep(Keeper* keeper) { keeper_ = keeper; }
  // What the server was told of the client: the connection is for this one alone.
  const std::string& proxy_header() const { return proxy_header_; }
  // Exchanges begun on it.
  uint32_t exchanges() const { return exchanges_; }
  // What the server said of how long it keeps idle connections ("Keep-Alive: timeout=5"), if it did.
  std::optional<Millis> announced_idle() const { return announced_idle_; }
  // How long connecting took; nothing while it goes on.
  std::optional<Duration> connect_time() const { return connect_time_; }
  TimePoint idle_since() const { return idle_since_; }

 private:
  enum class State : uint8_t { idle, exchange, tunnel, closed };
  // By its size: the next one of this connection is likely alike.
  enum class Answer : uint8_t { small, large, spliced };

  void on_readable() override;
  void on_writable() override;
  void on_body() override;  // of the request
  void on_room() override;  // in the response
  void on_timeout();
  void look_again();
  void on_deferred();

  void finish_connect();
  void finish_opening();
  void write_on();
  void read_on();
  bool read_head();
  bool read_body();
  Result<bool> receive_body();
  bool fill(bool large, size_t most = SIZE_MAX);
  bool note(const net::IoResult& read);
  void on_input_end();
  void take_head();
  void learn_idle_time();
  void refuse_more();
  void finish_exchange();
  void fail(Error error);
  Error closed_early() const;
  void start_timer(Millis timeout);

  static constexpr Millis kSecondLook{10};
  // Of one exchange. They are not held back by a client that does not read.
  static constexpr uint32_t kMostInterims = 100;

  event::Loop& loop_;
  std::unique_ptr<net::Stream> stream_;
  net::SocketAddress address_;
  const OutboundSettings& settings_;
  const std::string proxy_header_;
  KernelPipes& pipes_;
  H1Input input_;
  H1Sender sender_;
  H1Receiver receiver_{Fault::upstream};
  ResponseHead head_;
  H1HeadProgress progress_;
  event::Timer timer_;
  event::Timer second_look_;
  event::Deferred deferred_;
  User* user_ = nullptr;
  Keeper* keeper_ = nullptr;
  BodyReader* request_body_ = nullptr;
  BodyWriter* response_body_ = nullptr;
  std::optional<Error> pending_error_;  // seen inside a call, told in on_deferred()
  std::optional<Millis> announced_idle_;
  std::optional<Duration> connect_time_;
  TimePoint began_;
  TimePoint idle_since_{};
  std::string upgrade_asked_;  // the protocol
  uint32_t exchanges_ = 0;
  uint32_t interims_ = 0;  // of this exchange
  Method method_ = Method::get;
  State state_ = State::idle;
  bool connecting_ = true;
  bool securing_ = false;  // the TLS handshake goes on; the time to connect covers it
  bool readable_ = false;
  bool suspect_ = false;    // a reset may have come with the bytes read last
  bool responded_ = false;  // the final head has been received
  bool keep_alive_ = false;
  bool until_close_ = false;
  bool blocked_ = false;  // the socket takes no more
  bool reset_seen_ = false;
  Answer last_answer_ = Answer::small;
};

}  // namespace banyan::http
