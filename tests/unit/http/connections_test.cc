// A client's connection and an upstream's, each against a socket pair: what goes in and out, byte for byte.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "event/loop.h"
#include "http/h1_inbound.h"
#include "http/h1_outbound.h"
#include "net/stream.h"

namespace banyan::http {
namespace {

using namespace std::chrono_literals;

// One end is the proxy's, the other the test's.
struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    proxy = fds[0];
    peer = fds[1];
  }
  ~Pair() {
    if (peer >= 0) close(peer);
  }
  void send(std::string_view bytes) {
    ASSERT_EQ(::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void half_close() { shutdown(peer, SHUT_WR); }
  // What has arrived; `closed` tells of the end.
  std::string receive() {
    std::string got;
    char buffer[65536];
    ssize_t count;
    while ((count = recv(peer, buffer, sizeof buffer, 0)) > 0) got.append(buffer, static_cast<size_t>(count));
    closed = count == 0 || (count < 0 && errno == ECONNRESET);
    return got;
  }
  int proxy = -1;
  int peer = -1;
  bool closed = false;
};

// Runs the loop until the condition holds; false after five seconds.
template <class Condition>
bool run_until(event::Loop& loop, Condition condition) {
  auto limit = MonotonicClock::now() + 5s;
  event::Timer tick(loop, Callback());
  while (!condition()) {
    if (MonotonicClock::now() > limit) return false;
    struct Nothing {
      void run() {}
    } nothing;
    event::Timer wake(loop, Callback::to<&Nothing::run>(&nothing));
    wake.start(2ms);
    loop.turn();
  }
  return true;
}

class InboundTest : public testing::Test, public StreamOpener, public InboundOwner {
 protected:
  // The layer above: keeps what it was told, answers when the test says so.
  class User final : public StreamUser {
   public:
    explicit User(InboundTest& test) : test_(test) {}
    void on_stream_end(StreamEnd end) override {
      test_.ends_.push_back(end);
      test_.stream_ = nullptr;
    }
    void on_handed_over(std::unique_ptr<net::Stream> connection, std::string received) override {
      test_.stream_ = nullptr;
      test_.taken_ = std::move(connection);
      test_.received_ = std::move(received);
    }

   private:
    InboundTest& test_;
  };

  std::unique_ptr<StreamUser> open(InboundStream& stream) override {
    stream_ = &stream;
    ++opened_;
    if (answer_at_once_) answer(200, *answer_at_once_);
    return std::make_unique<User>(*this);
  }
  void on_refused(const ConnectionInfo&, const Error& error, uint64_t) override { refused_ = error.status; }
  void on_handshake(const ConnectionInfo&, std::string_view) override {}
  void on_no_request(const ConnectionInfo&) override { ++without_request_; }
  const InboundSettings& inbound_settings() const override { return settings_; }
  std::string_view http_date() override { return "Sat, 21 Nov 2026 01:23:28 GMT"; }
  bool draining() const override { return draining_; }
  void on_connection_closed(H1Inbound&) override {
    closed_ = true;
    loop_.dispose(std::move(connection_));
  }

  void answer(int status, std::string_view body) {
    ResponseHead head;
    head.status = status;
    head.body = {BodyKind::sized, body.size()};
    stream_->respond(head);
    stream_->response_body().write_copy(buffers_.small, body);
    stream_->response_body().end();
  }
  void connect() {
    connection_ = std::make_unique<H1Inbound>(loop_, streams_, *this, *this,
                                              net::make_plain_stream(loop_, pair_.proxy), ConnectionInfo{});
    ASSERT_TRUE(connection_->start());
  }
  std::string receive_until(std::string_view end) {
    std::string got;
    EXPECT_TRUE(run_until(loop_, [&] {
      got += pair_.receive();
      return got.ends_with(end);
    })) << got;
    return got;
  }
  void settle() {
    for (int i = 0; i < 5; ++i) {
      struct Nothing {
        void run() {}
      } nothing;
      event::Timer wake(loop_, Callback::to<&Nothing::run>(&nothing));
      wake.start(1ms);
      loop_.turn();
    }
  }

  event::Loop loop_;
  BufferPools buffers_;
  H1StreamPool streams_{loop_, buffers_};
  InboundSettings settings_;
  Pair pair_;
  std::unique_ptr<H1Inbound> connection_;
  InboundStream* stream_ = nullptr;
  std::optional<std::string> answer_at_once_;
  std::unique_ptr<net::Stream> taken_;  // what was handed over
  std::string received_;
  std::vector<StreamEnd> ends_;
  int opened_ = 0;
  int refused_ = 0;
  int without_request_ = 0;
  bool closed_ = false;
  bool draining_ = false;
};

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

TEST_F(InboundTest, AnswersAndKeepsTheConnection) {
  connect();
  pair_.send(kGet);
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  EXPECT_EQ(stream_->head().path, "/");
  answer(200, "hello");
  std::string got = receive_until("hello");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\n")) << got;
  EXPECT_NE(got.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_EQ(ends_, std::vector{StreamEnd::complete});
  EXPECT_TRUE(connection_->idle());
  pair_.send(kGet);
  ASSERT_TRUE(run_until(loop_, [&] { return opened_ == 2; }));
}

TEST_F(InboundTest, PipelinedRequestsAreAnsweredInOrder) {
  answer_at_once_ = "x";
  connect();
  std::string many;
  for (int i = 0; i < 50; ++i) many += kGet;
  pair_.send(many);
  ASSERT_TRUE(run_until(loop_, [&] { return ends_.size() == 50; }));
  EXPECT_TRUE(connection_->idle());
}

TEST_F(InboundTest, HeadByteByByte) {
  answer_at_once_ = "ok";
  connect();
  for (char c : kGet) {
    pair_.send({&c, 1});
    settle();
  }
  receive_until("ok");
}

TEST_F(InboundTest, MalformedHeadGets400AndTheConnectionEnds) {
  connect();
  pair_.send("GET / HTTP/1.1\r\nHost : h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] {
    got += pair_.receive();
    return pair_.closed;
  }));
  EXPECT_TRUE(got.starts_with("HTTP/1.1 400 Bad Request\r\n")) << got;
  EXPECT_NE(got.find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(refused_, 400);
  EXPECT_EQ(opened_, 0) << "nothing is handed on, not even what comes after";
  pair_.half_close();
  EXPECT_TRUE(run_until(loop_, [&] { return closed_; }));
}

constexpr std::string_view kUpgrade =
    "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";

struct NewListener final : net::Stream::Listener {
  void on_readable() override { ++readable; }
  void on_writable() override {}
  int readable = 0;
};

TEST_F(InboundTest, HandsTheConnectionOverWithWhatCameBehindTheRequest) {
  connect();
  pair_.send(std::string(kUpgrade) + "first");
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  ResponseHead head;
  head.status = 101;
  head.fields.add(FieldId::upgrade, "x");
  stream_->hand_over(head);
  EXPECT_FALSE(taken_) << "not inside the call";
  const std::string got = receive_until("\r\n\r\n");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 101 ")) << got;
  EXPECT_NE(got.find("Upgrade: x\r\n"), std::string::npos) << got;
  ASSERT_TRUE(taken_);
  EXPECT_TRUE(closed_) << "for its owner the connection is over";
  EXPECT_TRUE(ends_.empty());
  EXPECT_EQ(received_, "first");
  NewListener listener;
  taken_->hand_to(listener);
  pair_.send("second");
  ASSERT_TRUE(run_until(loop_, [&] { return listener.readable > 0; }));
  char bytes[16];
  EXPECT_EQ(taken_->read(bytes).bytes, 6u);
  const iovec part{bytes, 6};
  EXPECT_EQ(taken_->write({&part, 1}).bytes, 6u);
  EXPECT_EQ(receive_until("second"), "second");
}

TEST_F(InboundTest, AnAnswerThatIsHandedOverEndsWithTheConnection) {
  connect();
  pair_.send(kGet);
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  ResponseHead head;
  head.status = 200;
  head.body = {BodyKind::streamed, 0};
  stream_->hand_over(head);
  const std::string got = receive_until("\r\n\r\n");
  EXPECT_NE(got.find("Connection: close\r\n"), std::string::npos) << got;
  EXPECT_EQ(got.find("Transfer-Encoding"), std::string::npos) << got;
  ASSERT_TRUE(taken_);
  EXPECT_FALSE(pair_.closed);
  taken_.reset();
  EXPECT_TRUE(run_until(loop_, [&] {
    pair_.receive();
    return pair_.closed;
  }));
}

TEST_F(InboundTest, WhoIsGoneIsNotHandedOver) {
  connect();
  pair_.send(kGet);
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  close(std::exchange(pair_.peer, -1));
  ResponseHead head;
  head.status = 200;
  head.body = {BodyKind::streamed, 0};
  stream_->hand_over(head);
  EXPECT_TRUE(run_until(loop_, [&] { return closed_; }));
  EXPECT_FALSE(taken_);
  EXPECT_EQ(ends_, std::vector{StreamEnd::client_gone});
}

TEST_F(InboundTest, BodyStopsAtTheHighWaterMarkAndGoesOn) {
  connect();
  constexpr size_t kSize = 1'000'000;
  pair_.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  std::string body(kSize, 'b');
  size_t sent = 0;
  auto push = [&] {
    ssize_t count = ::send(pair_.peer, body.data() + sent, body.size() - sent, MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<size_t>(count);
  };
  for (int i = 0; i < 200; ++i) {
    push();
    settle();
    if (i > 20 && stream_->request_body().size() >= BodyPipe::kHighWater) break;
  }
  EXPECT_LT(stream_->request_body().size(), BodyPipe::kHighWater + BufferPools::kLarge);
  EXPECT_LT(sent, kSize);
  size_t taken = 0;
  BodyReader& reader = stream_->request_body();
  ASSERT_TRUE(run_until(loop_, [&] {
    push();
    taken += reader.size();
    reader.consume(reader.size());
    return reader.at_end();
  }));
  EXPECT_EQ(taken, kSize);
}

TEST_F(InboundTest, ChunkedBodyWithTrailers) {
  connect();
  pair_.send(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ && stream_->request_body().ending(); }));
  EXPECT_EQ(stream_->request_body().front().view(), "hello");
  EXPECT_EQ(stream_->request_body().trailers().list()[0].value, "1");
}

TEST_F(InboundTest, MalformedChunkBreaksTheBodyOff) {
  connect();
  pair_.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\nX");
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ && stream_->request_body().error(); }));
  EXPECT_EQ(stream_->request_body().error()->status, 400);
}

TEST_F(InboundTest, BodyOverTheLimitIs413AndTheAnswerArrivesBeforeTheEnd) {
  connect();
  pair_.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  stream_->limit_request_body(4);
  pair_.send("5\r\nhello\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return stream_->request_body().error(); }));
  EXPECT_EQ(stream_->request_body().error()->status, 413);
  answer(413, "too large");
  std::string got = receive_until("too large");
  EXPECT_NE(got.find("Connection: close\r\n"), std::string::npos);
}

TEST_F(InboundTest, HeadAndHttp10AndUnknownLength) {
  connect();
  pair_.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  answer(200, "hello");
  std::string got = receive_until("\r\n\r\n");
  EXPECT_NE(got.find("Content-Length: 5\r\n"), std::string::npos) << got;

  pair_.send("GET / HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return opened_ == 2; }));
  ResponseHead head;
  head.body.kind = BodyKind::streamed;
  stream_->respond(head);
  stream_->response_body().write_copy(buffers_.small, "until close");
  stream_->response_body().end();
  got.clear();
  ASSERT_TRUE(run_until(loop_, [&] {
    got += pair_.receive();
    return pair_.closed;
  }));
  EXPECT_TRUE(got.ends_with("\r\n\r\nuntil close")) << got;
  EXPECT_EQ(got.find("chunked"), std::string::npos);
}

TEST_F(InboundTest, ExpectContinueIsSentWhenTheBodyIsWanted) {
  connect();
  pair_.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  settle();
  EXPECT_EQ(pair_.receive(), "");
  stream_->send_continue();
  stream_->send_continue();
  EXPECT_EQ(receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  pair_.send("ok");
  ASSERT_TRUE(run_until(loop_, [&] { return stream_->request_body().ending(); }));
}

TEST_F(InboundTest, HalfClosedClientStillGetsItsAnswer) {
  connect();
  pair_.send(kGet);
  pair_.half_close();
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  settle();
  ASSERT_NE(stream_, nullptr);
  answer(200, "still");
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] {
    got += pair_.receive();
    return pair_.closed;
  }));
  EXPECT_TRUE(got.ends_with("still")) << got;
  EXPECT_EQ(ends_, std::vector{StreamEnd::complete});
}

TEST_F(InboundTest, TunnelCarriesBothDirectionsAndHalfCloses) {
  connect();
  pair_.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly");
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  settle();
  EXPECT_EQ(stream_->request_body().size(), 0u) << "nothing passes before 101";
  ResponseHead head;
  head.status = 101;
  head.fields.add(FieldId::upgrade, "websocket");
  stream_->respond(head);
  stream_->response_body().write_copy(buffers_.small, "from server");
  std::string got = receive_until("from server");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 101 ")) << got;
  ASSERT_TRUE(run_until(loop_, [&] { return stream_->request_body().size() == 5; }));
  pair_.half_close();
  ASSERT_TRUE(run_until(loop_, [&] { return stream_->request_body().ending(); }));
  stream_->response_body().end();
  ASSERT_TRUE(run_until(loop_, [&] { return closed_; }));
  EXPECT_EQ(ends_, std::vector{StreamEnd::complete});
}

TEST_F(InboundTest, SlowHeadIs408AndAnIdleConnectionJustCloses) {
  settings_.header_timeout = 20ms;
  settings_.keepalive_timeout = 20ms;
  connect();
  pair_.send("GET / HT");
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] {
    got += pair_.receive();
    return pair_.closed;
  }));
  EXPECT_TRUE(got.starts_with("HTTP/1.1 408 ")) << got;
}

// A client that was promised another request may have sent it already.
TEST_F(InboundTest, AnAnswerThatBeganBeforeTheProcessDrainsKeepsItsPromise) {
  connect();
  pair_.send(kGet);
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  ResponseHead head;
  head.status = 200;
  head.body = {BodyKind::sized, 2};
  stream_->respond(head);
  EXPECT_EQ(receive_until("\r\n\r\n").find("Connection: close"), std::string::npos);
  draining_ = true;
  stream_->response_body().write_copy(buffers_.small, "ok");
  stream_->response_body().end();
  receive_until("ok");
  EXPECT_TRUE(connection_->idle());
  pair_.send(kGet);
  ASSERT_TRUE(run_until(loop_, [&] { return opened_ == 2; }));
  answer(200, "last");
  EXPECT_NE(receive_until("last").find("Connection: close"), std::string::npos);
}

TEST_F(InboundTest, ARequestThatHasComeIsAnsweredBeforeItsConnectionIsRetired) {
  answer_at_once_ = "last";
  connect();
  settle();
  draining_ = true;
  pair_.send(kGet);
  EXPECT_FALSE(connection_->retire());
  EXPECT_NE(receive_until("last").find("Connection: close"), std::string::npos);
}

TEST_F(InboundTest, AnIdleConnectionIsRetired) {
  connect();
  settle();
  EXPECT_TRUE(connection_->retire());
  EXPECT_TRUE(run_until(loop_, [&] { return closed_; }));
}

TEST_F(InboundTest, ADrainedConnectionEndsWithItsAnswer) {
  connect();
  pair_.send(kGet);
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  EXPECT_FALSE(connection_->retire());
  connection_->drain();
  answer(200, "last");
  EXPECT_NE(receive_until("last").find("Connection: close"), std::string::npos);
  pair_.half_close();
  EXPECT_TRUE(run_until(loop_, [&] { return closed_; }));
}

TEST_F(InboundTest, BrokenResponseBodyClosesWithoutItsEnd) {
  connect();
  pair_.send(kGet);
  ASSERT_TRUE(run_until(loop_, [&] { return stream_ != nullptr; }));
  ResponseHead head;
  head.body.kind = BodyKind::streamed;
  stream_->respond(head);
  stream_->response_body().write_copy(buffers_.small, "part");
  stream_->response_body().fail(proxy_error("broken"));
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] {
    got += pair_.receive();
    return pair_.closed;
  }));
  EXPECT_NE(got.find("4\r\npart\r\n"), std::string::npos) << got;
  EXPECT_EQ(got.find("0\r\n\r\n"), std::string::npos) << "the client must see that it is not complete";
  EXPECT_EQ(ends_, std::vector{StreamEnd::broken_off});
}

class OutboundTest : public testing::Test, public H1Outbound::User {
 protected:
  void on_interim(const ResponseHead& head) override { interims_.push_back(head.status); }
  void on_response(const ResponseHead& head) override { status_ = head.status; }
  void on_exchange_end() override { ended_ = true; }
  void on_failure(const Error& error) override { failure_ = error; }

  void SetUp() override {
    connection_ = std::make_unique<H1Outbound>(
        loop_, buffers_, net::make_plain_stream(loop_, pair_.proxy),
        net::SocketAddress::of_ip(*net::IpAddress::parse("127.0.0.1", 1)), settings_);
    request_.method = Method::get;
    request_.method_text = "GET";
    request_.path = "/x";
    request_.host = "h";
  }
  void start() { connection_->start(request_, nullptr, response_.writer(), *this); }
  std::string sent_until(std::string_view end) {
    std::string got;
    EXPECT_TRUE(run_until(loop_, [&] {
      got += pair_.receive();
      return got.ends_with(end);
    })) << got;
    return got;
  }
  bool over() const { return ended_ || failure_; }
  std::string body() {
    std::string text;
    for (const Slice& slice : response_.reader().slices()) text += slice.view();
    return text;
  }

  event::Loop loop_;
  BufferPools buffers_;
  OutboundSettings settings_{.limits = H1Limits::for_responses()};
  Pair pair_;
  BodyPipe response_{loop_};
  RequestHead request_;
  std::unique_ptr<H1Outbound> connection_;
  std::vector<int> interims_;
  int status_ = 0;
  bool ended_ = false;
  std::optional<Error> failure_;
};

TEST_F(OutboundTest, SendsReceivesAndCanBeUsedAgain) {
  start();
  std::string got = sent_until("\r\n\r\n");
  EXPECT_TRUE(got.starts_with("GET /x HTTP/1.1\r\nHost: h\r\n")) << got;
  pair_.send(
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: "
      "timeout=5\r\n\r\nhi");
  ASSERT_TRUE(run_until(loop_, [&] { return over(); }));
  EXPECT_EQ(interims_, std::vector{103});
  EXPECT_EQ(status_, 200);
  EXPECT_EQ(body(), "hi");
  connection_->release();
  EXPECT_TRUE(connection_->reusable());
  EXPECT_EQ(connection_->announced_idle(), Millis(5000));
}

TEST_F(OutboundTest, BeginsWithTheProxyHeaderOnce) {
  connection_ = std::make_unique<H1Outbound>(
      loop_, buffers_, net::make_plain_stream(loop_, dup(pair_.proxy)),
      net::SocketAddress::of_ip(*net::IpAddress::parse("127.0.0.1", 1)), settings_, "PROXY UNKNOWN\r\n");
  start();
  EXPECT_TRUE(sent_until("\r\n\r\n").starts_with("PROXY UNKNOWN\r\nGET /x HTTP/1.1\r\n"));
  pair_.send("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return over(); }));
  connection_->release();
  start();
  EXPECT_TRUE(sent_until("\r\n\r\n").starts_with("GET /x HTTP/1.1\r\n"));
}

TEST_F(OutboundTest, CloseBeforeTheAnswerTellsWhatWasSent) {
  start();
  sent_until("\r\n\r\n");
  close(std::exchange(pair_.peer, -1));
  ASSERT_TRUE(run_until(loop_, [&] { return over(); }));
  ASSERT_TRUE(failure_);
  EXPECT_EQ(failure_->status, 502);
  EXPECT_EQ(failure_->type, "connection_terminated");
  EXPECT_FALSE(failure_->nothing_sent);
}

TEST_F(OutboundTest, CloseInTheMiddleBreaksTheBodyOff) {
  start();
  sent_until("\r\n\r\n");
  pair_.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  ASSERT_TRUE(run_until(loop_, [&] { return status_ == 200; }));
  close(std::exchange(pair_.peer, -1));
  ASSERT_TRUE(run_until(loop_, [&] { return over(); }));
  ASSERT_TRUE(failure_);
  EXPECT_EQ(failure_->type, "http_response_incomplete");
  ASSERT_NE(response_.reader().error(), nullptr);
}

TEST_F(OutboundTest, CloseDelimitedBodyEndsWithTheConnection) {
  start();
  sent_until("\r\n\r\n");
  pair_.send("HTTP/1.1 200 OK\r\n\r\nall of it");
  pair_.half_close();
  ASSERT_TRUE(run_until(loop_, [&] { return over(); }));
  EXPECT_TRUE(ended_);
  EXPECT_EQ(body(), "all of it");
  connection_->release();
  EXPECT_FALSE(connection_->reusable());
}

TEST_F(OutboundTest, BytesBehindTheAnswerSpoilTheConnection) {
  start();
  sent_until("\r\n\r\n");
  pair_.send("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return over(); }));
  EXPECT_TRUE(ended_);
  connection_->release();
  EXPECT_FALSE(connection_->reusable());
}

TEST_F(OutboundTest, NoAnswerInTimeIs504) {
  settings_.response_timeout = 20ms;
  start();
  ASSERT_TRUE(run_until(loop_, [&] { return over(); }));
  ASSERT_TRUE(failure_);
  EXPECT_EQ(failure_->status, 504);
  EXPECT_EQ(failure_->type, "http_response_timeout");
}

TEST_F(OutboundTest, AnAnswerBeforeTheBodyIsSentIsTaken) {
  BodyPipe request_body(loop_);
  request_.method = Method::post;
  request_.method_text = "POST";
  request_.body = {BodyKind::sized, 1000};
  connection_->start(request_, &request_body.reader(), response_.writer(), *this);
  sent_until("\r\n\r\n");
  pair_.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return over(); }));
  EXPECT_TRUE(ended_);
  EXPECT_EQ(status_, 413);
  EXPECT_TRUE(request_body.writer().abandoned());
  connection_->release();
  EXPECT_FALSE(connection_->reusable());
}

}  // namespace
}  // namespace banyan::http
