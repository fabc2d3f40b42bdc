#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "net/tls_context.h"
#include "unit/net/certificates.h"
#include "unit/net/sockets.h"

namespace banyan::net {
namespace {

// The server's end as its owner uses it: reads all there is, writes what is queued.
struct Server final : Stream::Listener {
  explicit Server(std::unique_ptr<Stream> s) : stream(std::move(s)) {}

  void on_readable() override { read_all(); }
  void on_writable() override {
    ++rooms;
    write_queued();
  }
  void read_all() {
    std::vector<char> space(space_size);
    while (stream) {
      IoResult result = stream->read(space);
      text.append(space.data(), result.bytes);
      ended = ended || result.status == IoStatus::end;
      if (result.status == IoStatus::error) {
        failed = true;
        error_number = result.error_number;
        return;
      }
      if (result.drained || !greedy) return;
    }
  }
  // Offers the queue in two parts, cut somewhere else each time.
  void write_queued() {
    while (written < queue.size()) {
      size_t cut = std::min(queue.size() - written, 1 + written % 40'000);
      iovec parts[2] = {{queue.data() + written, cut},
                        {queue.data() + written + cut, queue.size() - written - cut}};
      IoResult result = stream->write(parts);
      written += result.bytes;
      if (result.status == IoStatus::error) failed = true;
      if (result.status == IoStatus::error || written == queue.size()) return;
      if (result.bytes < queue.size()) return stream->want_write();
    }
  }

  std::unique_ptr<Stream> stream;
  size_t space_size = 4096;
  bool greedy = true;  // false: one read for a notice
  std::string text;
  std::string queue;
  size_t written = 0;
  int rooms = 0;
  int error_number = 0;
  bool ended = false;
  bool failed = false;
};

// The other end, on a non-blocking socket: every step tries what is to be done.
class Client {
 public:
  explicit Client(int fd) : context_(SSL_CTX_new(TLS_client_method())), fd_(fd) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  ~Client() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  SSL_CTX* context() { return context_; }
  SSL* ssl() {
    if (!ssl_) {
      ssl_ = SSL_new(context_);
      SSL_set_fd(ssl_, fd_);
      SSL_set_connect_state(ssl_);
    }
    return ssl_;
  }
  bool connected() { return SSL_do_handshake(ssl()) == 1; }
  void write(std::string_view text) {
    size_t written = 0;
    ASSERT_EQ(SSL_write_ex(ssl(), text.data(), text.size(), &written), 1);
    ASSERT_EQ(written, text.size());
  }
  // Reads what has come, a record at a time; notes the sizes of the records.
  void read() {
    char space[20'000];
    size_t got = 0;
    while (SSL_read_ex(ssl(), space, sizeof space, &got) == 1) {
      text.append(space, got);
      records.push_back(got);
    }
    closed = closed || SSL_get_error(ssl(), 0) == SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
  }

  std::string text;
  std::vector<size_t> records;
  bool closed = false;

 private:
  SSL_CTX* context_;
  int fd_;
  SSL* ssl_ = nullptr;
};

class TlsStreamTest : public testing::Test {
 protected:
  TlsStreamTest() { start(tls_); }

  void start(const config::Tls& tls, TlsTicketKeys* ticket_keys = nullptr) {
    client_.reset();
    server_.reset();
    auto context = TlsContext::make(tls, ticket_keys);
    ASSERT_TRUE(context) << context.error().message;
    pair_ = make_tcp_pair();
    server_.emplace(make_tls_stream(loop_, pair_.local.release(), *context));
    ASSERT_TRUE(server_->stream->start(*server_));
    client_.emplace(pair_.peer.get());
  }
  void shake_hands() {
    ASSERT_TRUE(run_until(loop_, [&] { return client_->connected() && server_->stream->handshake_done(); }))
        << server_->stream->failure();
  }
  // Lets the client try until the server has failed.
  void expect_failed_handshake() {
    EXPECT_TRUE(run_until(loop_, [&] {
      client_->connected();
      ERR_clear_error();
      return server_->failed;
    }));
    EXPECT_FALSE(server_->stream->handshake_done());
  }
  bool client_has(std::string_view text) {
    return run_until(loop_, [&] {
      client_->read();
      return client_->text == text;
    });
  }

  event::Loop loop_;
  config::Tls tls_ = tls_of(make_certificate());
  SocketPair pair_;
  std::optional<Server> server_;
  std::optional<Client> client_;
};

TEST_F(TlsStreamTest, BytesGoBothWays) {
  EXPECT_FALSE(server_->stream->handshake_done());
  EXPECT_EQ(server_->stream->tls_protocol(), "");
  shake_hands();
  EXPECT_EQ(server_->stream->tls_protocol(), "TLSv1.3");
  client_->write("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(run_until(loop_, [&] { return server_->text == "GET / HTTP/1.1\r\n\r\n"; }));
  server_->queue = "HTTP/1.1 200 OK\r\n\r\n";
  server_->write_queued();
  EXPECT_EQ(server_->written, server_->queue.size());
  EXPECT_TRUE(client_has(server_->queue));
}

TEST_F(TlsStreamTest, NothingIsWrittenBeforeTheHandshakeAndRoomIsToldAfterIt) {
  server_->queue = "early";
  server_->write_queued();
  EXPECT_EQ(server_->written, 0u);
  shake_hands();
  EXPECT_TRUE(client_has("early"));
}

TEST_F(TlsStreamTest, ProtocolVersions) {
  SSL_CTX_set_max_proto_version(client_->context(), TLS1_2_VERSION);
  shake_hands();
  EXPECT_EQ(server_->stream->tls_protocol(), "TLSv1.2");

  start(tls_);
  SSL_CTX_set_max_proto_version(client_->context(), TLS1_1_VERSION);
  SSL_CTX_set_security_level(client_->context(), 0);
  expect_failed_handshake();
  EXPECT_EQ(server_->stream->failure(), "unsupported protocol");

  tls_.min_version = config::Tls::Version::tls1_3;
  start(tls_);
  SSL_CTX_set_max_proto_version(client_->context(), TLS1_2_VERSION);
  expect_failed_handshake();
  EXPECT_EQ(server_->stream->failure(), "unsupported protocol");
}

TEST_F(TlsStreamTest, ChoosesHttp11) {
  const unsigned char offer[] = "\x02h2\x08http/1.1";
  SSL_CTX_set_alpn_protos(client_->context(), offer, sizeof offer - 1);
  shake_hands();
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(client_->ssl(), &chosen, &size);
  EXPECT_EQ(std::string(chosen, chosen + size), "http/1.1");
}

TEST_F(TlsStreamTest, RefusesAClientThatSpeaksOnlyOtherProtocols) {
  const unsigned char offer[] = "\x02h2";
  SSL_CTX_set_alpn_protos(client_->context(), offer, sizeof offer - 1);
  expect_failed_handshake();
  EXPECT_EQ(server_->stream->failure(), "no application protocol");
}

TEST_F(TlsStreamTest, PlainHttpIsRecognisedAndCanBeAnswered) {
  pair_.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return server_->failed; }));
  EXPECT_TRUE(server_->stream->speaks_plain_http());
  EXPECT_EQ(server_->stream->failure(), "http request");
  EXPECT_FALSE(server_->stream->handshake_done());
  server_->queue = "HTTP/1.1 400 Bad Request\r\n\r\n";
  server_->write_queued();
  std::string got;
  EXPECT_TRUE(run_until(loop_, [&] { return (got += pair_.receive()) == server_->queue; }));
  server_->failed = false;
  server_->text.clear();
  pair_.send("more");
  EXPECT_TRUE(run_until(loop_, [&] { return server_->text.ends_with("more"); }));
}

TEST_F(TlsStreamTest, GarbageIsAnError) {
  pair_.send("SSH-2.0-OpenSSH_9.2\r\n");
  ASSERT_TRUE(run_until(loop_, [&] { return server_->failed; }));
  EXPECT_EQ(server_->stream->failure(), "wrong version number");
  EXPECT_FALSE(server_->stream->speaks_plain_http());
}

TEST_F(TlsStreamTest, APortCheckIsAnEndAndAnInterruptedHandshakeAnError) {
  pair_.peer.reset();
  EXPECT_TRUE(run_until(loop_, [&] { return server_->ended; }));
  EXPECT_FALSE(server_->failed);

  start(tls_);
  pair_.send("\x16\x03\x01");
  shutdown(pair_.peer.get(), SHUT_WR);
  EXPECT_TRUE(run_until(loop_, [&] { return server_->failed; }));
  EXPECT_EQ(server_->stream->failure(), "the peer closed during the handshake");
}

TEST_F(TlsStreamTest, ABrokenRecordIsAnError) {
  shake_hands();
  client_->write("good");
  ASSERT_TRUE(run_until(loop_, [&] { return server_->text == "good"; }));
  pair_.send(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  EXPECT_TRUE(run_until(loop_, [&] { return server_->failed; }));
  EXPECT_EQ(server_->stream->failure(), "decryption failed or bad record mac");
}

TEST_F(TlsStreamTest, AResetGivesItsErrno) {
  shake_hands();
  linger reset{1, 0};
  setsockopt(pair_.peer.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  pair_.peer.reset();
  EXPECT_TRUE(run_until(loop_, [&] { return server_->failed; }));
  EXPECT_EQ(server_->error_number, ECONNRESET);
}

TEST_F(TlsStreamTest, TheEndIsSeenWhateverWayItComes) {
  shake_hands();
  server_->queue = "x";
  server_->write_queued();
  ASSERT_TRUE(client_has("x"));  // with unread tickets its close would be a reset
  client_->write("last");
  SSL_shutdown(client_->ssl());
  pair_.peer.reset();
  EXPECT_TRUE(run_until(loop_, [&] { return server_->ended; }));
  EXPECT_EQ(server_->text, "last");
  EXPECT_FALSE(server_->failed);

  start(tls_);
  shake_hands();
  client_->write("last");
  shutdown(pair_.peer.get(), SHUT_WR);  // no close_notify
  EXPECT_TRUE(run_until(loop_, [&] { return server_->ended; }));
  EXPECT_EQ(server_->text, "last");
  EXPECT_FALSE(server_->failed);
}

TEST_F(TlsStreamTest, ShutdownSendsCloseNotifyAndReadingGoesOn) {
  shake_hands();
  server_->stream->shutdown_write();
  EXPECT_TRUE(run_until(loop_, [&] {
    client_->read();
    return client_->closed;
  }));
  client_->write("still here");
  EXPECT_TRUE(run_until(loop_, [&] { return server_->text == "still here"; }));
  iovec part{const_cast<char*>("x"), 1};
  EXPECT_EQ(server_->stream->write({&part, 1}).status, IoStatus::error);
}

TEST_F(TlsStreamTest, ClosingSaysThatNothingWasCutOffAndResettingDoesNot) {
  shake_hands();
  server_->queue = "all";
  server_->write_queued();
  server_->stream.reset();
  EXPECT_TRUE(client_has("all"));
  EXPECT_TRUE(run_until(loop_, [&] {
    client_->read();
    return client_->closed;
  }));

  start(tls_);
  shake_hands();
  server_->stream->reset_on_close();
  server_->stream.reset();
  char byte;
  EXPECT_TRUE(run_until(
      loop_, [&] { return recv(pair_.peer.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno != EAGAIN; }));
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(TlsStreamTest, SmallPartsShareARecord) {
  shake_hands();
  std::vector<iovec> parts(200, iovec{const_cast<char*>("0123456789"), 10});
  IoResult result = server_->stream->write(parts);
  EXPECT_EQ(result.bytes, 2000u);
  ASSERT_TRUE(run_until(loop_, [&] {
    client_->read();
    return client_->text.size() == 2000;
  }));
  EXPECT_EQ(client_->records, std::vector<size_t>{2000});
}

std::string numbered_bytes(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 2654435761u) >> 13);
  return text;
}

TEST_F(TlsStreamTest, AFullSocketStopsTheWriterAndNothingIsLostOrDoubled) {
  shake_hands();
  server_->queue = numbered_bytes(12'000'000);
  server_->write_queued();
  ASSERT_LT(server_->written, server_->queue.size());
  EXPECT_TRUE(client_has(server_->queue));
  EXPECT_EQ(server_->written, server_->queue.size());
  EXPECT_GT(server_->rooms, 0);
}

TEST_F(TlsStreamTest, TheStreamMayBeDestroyedOnceAllWasReported) {
  shake_hands();
  server_->queue = numbered_bytes(8'000'000);
  server_->write_queued();
  ASSERT_TRUE(run_until(loop_, [&] {
    if (server_->written == server_->queue.size()) return true;
    client_->read();
    return false;
  }));
  server_->stream.reset();
  EXPECT_LT(client_->text.size(), server_->queue.size());
  EXPECT_TRUE(client_has(server_->queue));
}

TEST_F(TlsStreamTest, CloseNotifyFollowsWhatWaits) {
  shake_hands();
  server_->queue = numbered_bytes(12'000'000);
  server_->write_queued();
  size_t reported = server_->written;
  server_->stream->shutdown_write();  // gives up the rest
  ASSERT_TRUE(run_until(loop_, [&] {
    client_->read();
    return client_->closed;
  }));
  EXPECT_GE(client_->text.size(), reported);
  EXPECT_EQ(client_->text, server_->queue.substr(0, client_->text.size()));
}

TEST_F(TlsStreamTest, LargeUploadsAreReadWhole) {
  shake_hands();
  std::string body = numbered_bytes(1'000'000);
  size_t sent = 0;
  server_->space_size = 5000;
  EXPECT_TRUE(run_until(loop_, [&] {
    size_t step = 0;
    if (sent < body.size() && SSL_write_ex(client_->ssl(), body.data() + sent,
                                           std::min<size_t>(16384, body.size() - sent), &step) == 1)
      sent += step;
    ERR_clear_error();
    return server_->text.size() == body.size();
  }));
  EXPECT_EQ(server_->text, body);
}

TEST_F(TlsStreamTest, AReaderThatStoppedEarlyFindsTheRestByItself) {
  shake_hands();
  server_->space_size = 1000;
  server_->greedy = false;
  client_->write(std::string(3000, 'a'));
  ASSERT_TRUE(run_until(loop_, [&] { return !server_->text.empty(); }));
  EXPECT_EQ(server_->text.size(), 1000u);
  server_->greedy = true;
  server_->read_all();
  EXPECT_EQ(server_->text.size(), 3000u);
}

TEST_F(TlsStreamTest, RenegotiationIsRefused) {
  SSL_CTX_set_max_proto_version(client_->context(), TLS1_2_VERSION);
  shake_hands();
  SSL_renegotiate(client_->ssl());
  bool refused = false;
  EXPECT_TRUE(run_until(loop_, [&] {
    ERR_clear_error();
    int result = SSL_do_handshake(client_->ssl());
    refused = result != 1 && SSL_get_error(client_->ssl(), result) == SSL_ERROR_SSL;
    return refused || result == 1;
  }));
  EXPECT_TRUE(refused);
}

class TlsTicketTest : public TlsStreamTest {
 protected:
  // What all processes see, and what one of them sees of it.
  struct Keys {
    void add() {
      shm::TicketKeys next = cell.read();
      std::shift_right(next.keys.begin(), next.keys.end(), 1);
      next.keys[0] = make_ticket_key();
      next.count = std::min<uint64_t>(next.count + 1, next.keys.size());
      cell.write(next);
    }
    shm::Cell<shm::TicketKeys> cell;
    TlsTicketKeys first_worker{cell};
    TlsTicketKeys second_worker{cell};
  };

  // The session the client got from a server; given to a client of another one: true if it was resumed.
  SSL_SESSION* get_session(const config::Tls& tls, TlsTicketKeys* keys, SSL_SESSION* old = nullptr) {
    start(tls, keys);
    if (old) SSL_set_session(client_->ssl(), old);
    SSL_SESSION_free(old);
    shake_hands();
    EXPECT_EQ(SSL_session_reused(client_->ssl()) == 1, old != nullptr);
    server_->queue = "x";
    server_->write_queued();
    EXPECT_TRUE(client_has("x"));  // the tickets come before it
    SSL_SESSION* session = SSL_get1_session(client_->ssl());
    SSL_shutdown(client_->ssl());  // without it OpenSSL throws the session away
    return session;
  }
  bool resumes(const config::Tls& tls, TlsTicketKeys* keys, SSL_SESSION* session) {
    start(tls, keys);
    SSL_set_session(client_->ssl(), session);
    SSL_SESSION_free(session);
    shake_hands();
    return SSL_session_reused(client_->ssl()) == 1;
  }
};

TEST_F(TlsTicketTest, TicketsAreGoodAtEveryWorkerWithTheSameKeys) {
  Keys ours, theirs;
  ours.add();
  theirs.add();
  EXPECT_TRUE(resumes(tls_, &ours.second_worker, get_session(tls_, &ours.first_worker)));
  EXPECT_FALSE(resumes(tls_, &theirs.first_worker, get_session(tls_, &ours.first_worker)));
  EXPECT_FALSE(resumes(tls_, nullptr, get_session(tls_, nullptr)));
}

TEST_F(TlsTicketTest, AResumedConnectionGetsATicketForTheNext) {
  Keys keys;
  keys.add();
  const auto ticket_of = [](const SSL_SESSION* session) {
    const unsigned char* bytes = nullptr;
    size_t size = 0;
    SSL_SESSION_get0_ticket(session, &bytes, &size);
    return std::string(reinterpret_cast<const char*>(bytes), size);
  };
  SSL_SESSION* session = get_session(tls_, &keys.first_worker);
  const std::string first = ticket_of(session);
  session = get_session(tls_, &keys.first_worker, session);
  EXPECT_EQ(SSL_get_version(client_->ssl()), std::string("TLSv1.3"));
  EXPECT_NE(ticket_of(session), first);
  EXPECT_TRUE(resumes(tls_, &keys.first_worker, session));
}

TEST_F(TlsTicketTest, OldKeysOpenUntilTheyAreForgotten) {
  Keys keys;
  keys.add();
  SSL_SESSION* session = get_session(tls_, &keys.first_worker);
  SSL_SESSION_up_ref(session);
  keys.add();
  keys.add();
  EXPECT_TRUE(resumes(tls_, &keys.first_worker, session));
  keys.add();
  EXPECT_FALSE(resumes(tls_, &keys.first_worker, session));
}

TEST_F(TlsTicketTest, AListenerThatAsksForMoreDoesNotResumeTheSessionsOfAnother) {
  Keys keys;
  keys.add();
  config::Tls strict = tls_;
  strict.verify = config::Tls::Verify::optional;
  strict.ca = strict.certificate;
  EXPECT_FALSE(resumes(strict, &keys.first_worker, get_session(tls_, &keys.first_worker)));
  EXPECT_TRUE(resumes(strict, &keys.first_worker, get_session(strict, &keys.first_worker)));
}

}  // namespace
}  // namespace banyan::net
