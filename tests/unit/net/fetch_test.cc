#include "net/fetch.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "net/connect_socket.h"
#include "net/fetch_message.h"
#include "net/listen_socket.h"
#include "net/listener.h"
#include "net/tls_context.h"
#include "unit/net/certificates.h"
#include "unit/net/http_server.h"

namespace banyan::net {
namespace {

using namespace std::chrono_literals;

struct Outcome {
  Result<FetchResponse> result;
  FetchTiming timing;
};

struct Outcomes : Fetcher::Listener {
  void on_fetched(Fetch& fetch, Result<FetchResponse> result) override {
    by_tag.emplace(fetch.tag(), Outcome{std::move(result), fetch.timing()});
    if (destroy) destroy->reset();
  }
  std::map<uint64_t, Outcome> by_tag;
  std::unique_ptr<Fetch>* destroy = nullptr;
};

std::string body_of(const Result<FetchResponse>& result) {
  return result ? result->body : result.error().message;
}

class FetcherTest : public testing::Test {
 protected:
  Outcome fetch(FetchRequest request) {
    Outcomes outcomes;
    auto handle = fetcher_.start(std::move(request), outcomes);
    EXPECT_TRUE(outcomes.by_tag.empty());
    EXPECT_TRUE(run_until(loop_, [&] { return !outcomes.by_tag.empty(); }));
    if (outcomes.by_tag.empty()) return {proxy_error("no outcome"), {}};
    return std::move(outcomes.by_tag.begin()->second);
  }
  Outcome get(std::string url) { return fetch(FetchRequest{.url = std::move(url)}); }
  TimePoint in(Millis delay) { return loop_.fresh_now() + delay; }

  event::Loop loop_;
  Fetcher fetcher_{loop_};
};

TEST_F(FetcherTest, UsesASocketThatIsConnected) {
  HttpServer server([](const std::string&) { return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"; });
  for (int round = 1; round <= 2; ++round) {
    const auto address = SocketAddress::of_ip(*IpAddress::parse("127.0.0.1", server.port()));
    OwnedFd socket(*open_connecting_socket(address));
    // Where the URL points nobody listens.
    Outcome outcome = fetch({.url = "http://127.0.0.1:1/", .socket = socket.get()});
    EXPECT_EQ(body_of(outcome.result), "ok");
    EXPECT_FALSE(outcome.timing.reused);
    EXPECT_EQ(server.connections(), round);
  }
}

TEST_F(FetcherTest, GivesStatusFieldsAndBody) {
  HttpServer server([](const std::string&) {
    return "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nETag: \"abc\"\r\nX-Two: 1\r\nX-Two:  2 "
           "\r\n\r\nnone";
  });
  Outcome outcome = get(server.url("/x"));
  ASSERT_TRUE(outcome.result) << outcome.result.error().message;
  EXPECT_EQ(outcome.result->status, 404);
  EXPECT_EQ(outcome.result->body, "none");
  EXPECT_EQ(outcome.result->find("etag"), "\"abc\"");
  EXPECT_EQ(outcome.result->find("absent"), "");
  std::vector<FetchField> expected = {
      {"Content-Length", "4"}, {"ETag", "\"abc\""}, {"X-Two", "1"}, {"X-Two", "2"}};
  EXPECT_EQ(outcome.result->fields, expected);
  EXPECT_FALSE(outcome.timing.reused);
  EXPECT_GT(outcome.timing.connected, 0ns);
  EXPECT_GE(outcome.timing.first_byte, outcome.timing.connected);
  EXPECT_GE(outcome.timing.total, outcome.timing.first_byte);
}

TEST_F(FetcherTest, SendsWhatItWasToldAndNothingElse) {
  HttpServer server([](const std::string& request) { return HttpServer::ok(request); });
  EXPECT_EQ(body_of(get(server.url("/a/../b/%2e/c?x=1#y")).result),
            "GET /a/../b/%2e/c?x=1 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                "\r\nUser-Agent: banyan\r\nAccept: */*\r\n\r\n");
  FetchRequest put{.url = server.url("/o"), .method = "PUT"};
  put.fields = {{"Host", "store"}, {"X-Empty", ""}, {"User-Agent", "me"}, {"Content-Type", "a/b"}};
  put.body = std::string("b\0dy", 4);
  EXPECT_EQ(body_of(fetch(std::move(put)).result),
            "PUT /o HTTP/1.1\r\nHost: store\r\nAccept: */*\r\nX-Empty:\r\nUser-Agent: me\r\n"
            "Content-Type: a/b\r\nContent-Length: 4\r\n\r\n" +
                std::string("b\0dy", 4));
  EXPECT_TRUE(body_of(fetch(FetchRequest{.url = server.url("/d"), .method = "DELETE"}).result)
                  .starts_with("DELETE /d HTTP/1.1\r\n"));
  std::string post = body_of(fetch(FetchRequest{.url = server.url("/p"), .method = "POST"}).result);
  EXPECT_TRUE(post.starts_with("POST /p HTTP/1.1\r\n"));
  EXPECT_NE(post.find("Content-Length: 0\r\n"), post.npos);
  EXPECT_EQ(post.find("Content-Type"), post.npos);
}

TEST_F(FetcherTest, HeadHasNoBody) {
  HttpServer server([](const std::string& request) {
    EXPECT_TRUE(request.starts_with("HEAD "));
    return "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
  });
  Outcome outcome = fetch(FetchRequest{.url = server.url("/"), .method = "HEAD"});
  ASSERT_TRUE(outcome.result) << outcome.result.error().message;
  EXPECT_EQ(outcome.result->find("content-length"), "1000");
}

TEST_F(FetcherTest, KeepsConnectionsAndReusesThem) {
  HttpServer server([](const std::string&) { return HttpServer::ok("x"); });
  get(server.url("/1"));
  Outcome second = get(server.url("/2"));
  EXPECT_TRUE(second.timing.reused);
  EXPECT_EQ(second.timing.connected, 0ns);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(FetcherTest, ManyAtOnceEachGetItsOwnAnswer) {
  HttpServer server(
      [](const std::string& request) { return HttpServer::ok(request.substr(5, request.find(' ', 5) - 5)); });
  Outcomes outcomes;
  std::vector<std::unique_ptr<Fetch>> fetches;
  for (uint64_t i = 0; i < 100; ++i) {
    fetches.push_back(fetcher_.start({.url = server.url(fmt::format("/{}", i)), .tag = i}, outcomes));
  }
  EXPECT_EQ(fetcher_.running(), 100u);
  ASSERT_TRUE(run_until(loop_, [&] { return outcomes.by_tag.size() == 100; }));
  for (auto& [tag, outcome] : outcomes.by_tag) EXPECT_EQ(body_of(outcome.result), std::to_string(tag));
  EXPECT_EQ(fetcher_.running(), 0u);
  // The connections are all kept: a second burst as large needs no more of them.
  for (uint64_t i = 0; i < 100; ++i) {
    fetches[i] = fetcher_.start({.url = server.url(fmt::format("/{}", i)), .tag = 1000 + i}, outcomes);
  }
  ASSERT_TRUE(run_until(loop_, [&] { return outcomes.by_tag.size() == 200; }));
  EXPECT_LE(server.connections(), 100);
}

TEST_F(FetcherTest, NoMoreConnectionsThanAllowed) {
  HttpServer server([](const std::string&) { return HttpServer::ok("x"); });
  Fetcher fetcher(loop_, {.connections = 50, .connections_per_server = 3});
  Outcomes outcomes;
  std::vector<std::unique_ptr<Fetch>> fetches;
  for (uint64_t i = 0; i < 20; ++i)
    fetches.push_back(fetcher.start({.url = server.url("/"), .tag = i}, outcomes));
  ASSERT_TRUE(run_until(loop_, [&] { return outcomes.by_tag.size() == 20; }));
  EXPECT_LE(server.connections(), 3);
}

TEST_F(FetcherTest, DestroyedFetchIsNotToldOf) {
  HttpServer server([](const std::string&) { return HttpServer::ok("x"); });
  server.hold();
  Outcomes outcomes;
  auto handle = fetcher_.start({.url = server.url("/")}, outcomes);
  ASSERT_TRUE(run_until(loop_, [&] { return server.requests() == 1; }));
  handle.reset();
  EXPECT_EQ(fetcher_.running(), 0u);
  server.let_go();
  EXPECT_EQ(body_of(get(server.url("/")).result), "x");
  EXPECT_TRUE(outcomes.by_tag.empty());
  EXPECT_EQ(server.connections(), 2);  // the first was cut off
}

TEST_F(FetcherTest, HandleMayBeDestroyedWhenItIsTold) {
  HttpServer server([](const std::string&) { return HttpServer::ok("x"); });
  Outcomes outcomes;
  auto handle = fetcher_.start({.url = server.url("/")}, outcomes);
  outcomes.destroy = &handle;
  EXPECT_TRUE(run_until(loop_, [&] { return !outcomes.by_tag.empty(); }));
  EXPECT_EQ(handle, nullptr);
}

TEST_F(FetcherTest, TheDeadlineIsKept) {
  HttpServer server([](const std::string&) { return HttpServer::ok("x"); });
  server.hold();
  TimePoint deadline = in(30ms);
  Outcome outcome = fetch({.url = server.url("/slow"), .deadline = deadline});
  EXPECT_GE(loop_.fresh_now(), deadline);
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().type, "http_response_timeout");
  EXPECT_EQ(outcome.result.error().status, 504);
  EXPECT_FALSE(outcome.result.error().nothing_sent);
  EXPECT_EQ(outcome.result.error().message, "fetch " + server.url("/slow") + ": no answer in time");
  EXPECT_GE(outcome.timing.total, 30ms);
  EXPECT_EQ(fetcher_.running(), 0u);
}

TEST_F(FetcherTest, ALateFetchGivesItsConnectionBack) {
  HttpServer server([](const std::string&) { return HttpServer::ok("x"); });
  server.hold();
  FetchRequest request{.url = server.url("/slow"), .deadline = in(10ms), .late_limit = 10s};
  EXPECT_FALSE(fetch(std::move(request)).result);
  EXPECT_EQ(fetcher_.running(), 1u);
  server.let_go();
  EXPECT_TRUE(run_until(loop_, [&] { return fetcher_.running() == 0; }));
  EXPECT_TRUE(get(server.url("/")).timing.reused);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(FetcherTest, ADetachedFetchGivesItsConnectionBackOrEndsAtItsLimit) {
  HttpServer server([](const std::string&) { return HttpServer::ok("x"); });
  server.hold();
  Outcomes outcomes;
  fetcher_.detach(fetcher_.start({.url = server.url("/")}, outcomes), 10s);
  ASSERT_TRUE(run_until(loop_, [&] { return server.requests() == 1; }));
  EXPECT_EQ(fetcher_.running(), 1u);
  server.let_go();
  EXPECT_TRUE(run_until(loop_, [&] { return fetcher_.running() == 0; }));
  EXPECT_TRUE(get(server.url("/")).timing.reused);

  server.hold();
  fetcher_.detach(fetcher_.start({.url = server.url("/")}, outcomes), 20ms);
  EXPECT_EQ(fetcher_.running(), 1u);
  EXPECT_TRUE(run_until(loop_, [&] { return fetcher_.running() == 0; }));
  EXPECT_TRUE(outcomes.by_tag.empty());
}

TEST_F(FetcherTest, WaitingForAConnectionCountsAsNothingSent) {
  HttpServer server([](const std::string&) { return HttpServer::ok("x"); });
  server.hold();
  Fetcher fetcher(loop_, {.connections = 1});
  Outcomes outcomes;
  auto first = fetcher.start({.url = server.url("/"), .tag = 1}, outcomes);
  auto second = fetcher.start({.url = server.url("/"), .deadline = in(20ms), .tag = 2}, outcomes);
  ASSERT_TRUE(run_until(loop_, [&] { return outcomes.by_tag.contains(2); }));
  const Error& error = outcomes.by_tag.at(2).result.error();
  EXPECT_EQ(error.type, "connection_timeout");
  EXPECT_TRUE(error.nothing_sent);
}

TEST_F(FetcherTest, RefusedConnection) {
  OwnedFd gone = listen_on_loopback();
  std::string url = "http://127.0.0.1:" + std::to_string(bound_port(gone.get())) + "/x?token=secret";
  gone.reset();
  Outcome outcome = get(url);
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().type, "connection_refused");
  EXPECT_EQ(outcome.result.error().status, 502);
  EXPECT_TRUE(outcome.result.error().nothing_sent);
  EXPECT_EQ(outcome.result.error().message.find("secret"), std::string::npos);
}

TEST_F(FetcherTest, BrokenAnswers) {
  std::string answer;
  HttpServer server([&](const std::string&) { return answer; });
  auto type_of = [&](std::string text) {
    answer = std::move(text);
    auto result = get(server.url("/")).result;
    return result ? "none" : std::string(result.error().type);
  };
  EXPECT_EQ(type_of(""), "connection_terminated");
  EXPECT_EQ(type_of("garbage\r\n\r\n"), "http_protocol_error");
  EXPECT_EQ(type_of("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\nshort"),
            "http_response_incomplete");
  EXPECT_EQ(type_of("HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n"),
            "http_response_header_section_size");
}

TEST_F(FetcherTest, BodiesAreLimitedWhileTheyCome) {
  HttpServer server([](const std::string&) { return HttpServer::ok(std::string(100'000, 'x')); });
  Outcome outcome = fetch({.url = server.url("/"), .max_body = 99'999});
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().type, "http_response_body_size");
  outcome = fetch({.url = server.url("/"), .max_body = 100'000});
  EXPECT_EQ(body_of(outcome.result).size(), 100'000u);
}

TEST_F(FetcherTest, RedirectsAreAnswers) {
  HttpServer server([](const std::string&) {
    return "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
  });
  Outcome outcome = get(server.url("/"));
  ASSERT_TRUE(outcome.result);
  EXPECT_EQ(outcome.result->status, 302);
  EXPECT_EQ(server.requests(), 1);
}

TEST_F(FetcherTest, InterimAnswersAndTrailersAreNotMixedIn) {
  HttpServer server([](const std::string&) {
    return "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n";
  });
  Outcome outcome = get(server.url("/"));
  ASSERT_TRUE(outcome.result);
  EXPECT_EQ(outcome.result->body, "abc");
  EXPECT_EQ(outcome.result->fields, (std::vector<FetchField>{{"Transfer-Encoding", "chunked"}}));
}

TEST_F(FetcherTest, AClosedKeptConnectionIsNoFailure) {
  int count = 0;
  HttpServer server([&](const std::string&) { return ++count == 2 ? "" : HttpServer::ok("x"); });
  EXPECT_EQ(body_of(get(server.url("/")).result), "x");
  EXPECT_EQ(body_of(get(server.url("/")).result), "x");  // answered by nothing, and asked again
  EXPECT_EQ(server.requests(), 3);
}

TEST_F(FetcherTest, APostIsNeverSentTwice) {
  int count = 0;
  HttpServer server([&](const std::string&) { return ++count == 2 ? "" : HttpServer::ok("x"); });
  EXPECT_EQ(body_of(get(server.url("/")).result), "x");
  Outcome outcome = fetch({.url = server.url("/"), .method = "POST", .body = "order"});
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().type, "connection_terminated");
  EXPECT_EQ(server.requests(), 2);
}

TEST_F(FetcherTest, RequestsThatCannotBeSentAreErrorsLikeOthers) {
  for (FetchRequest request : {FetchRequest{.url = "ftp://127.0.0.1/"}, FetchRequest{.url = "127.0.0.1:80/"},
                               FetchRequest{.url = "file:///etc/passwd"}, FetchRequest{.url = "http://a/b c"},
                               FetchRequest{.url = "http://127.0.0.1:1/", .method = "GET /"},
                               FetchRequest{.url = "http://127.0.0.1:1/", .fields = {{"A:b", "x"}}},
                               FetchRequest{.url = "http://127.0.0.1:1/", .fields = {{"A", "x\r\nB: y"}}}}) {
    Outcome outcome = fetch(request);
    ASSERT_FALSE(outcome.result) << request.url;
    EXPECT_EQ(outcome.result.error().fault, Fault::proxy) << outcome.result.error().message;
  }
}

TEST_F(FetcherTest, AFetcherMayGoWithTransfersUnderWay) {
  HttpServer server([](const std::string&) { return HttpServer::ok("x"); });
  server.hold();
  Outcomes outcomes;
  auto fetcher = std::make_unique<Fetcher>(loop_);
  fetcher->detach(fetcher->start({.url = server.url("/")}, outcomes), 10s);
  ASSERT_TRUE(run_until(loop_, [&] { return server.requests() == 1; }));
  fetcher.reset();
  event::Deferred end(loop_, Callback::to<&event::Loop::stop>(&loop_));
  end.schedule();
  loop_.turn();
}

TEST_F(FetcherTest, NamesAreLookedUpOffTheLoop) {
  HttpServer server([](const std::string&) { return HttpServer::ok("x"); });
  Outcome outcome = get("http://localhost:" + std::to_string(server.port()) + "/");
  EXPECT_EQ(body_of(outcome.result), "x");
  outcome = get("http://no-such-host.invalid/");
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().type, "dns_error");
}

// One answer over TLS, from the same loop.
class TlsServer final : Listener::Acceptor, Stream::Listener {
 public:
  TlsServer(event::Loop& loop, const config::Tls& tls)
      : loop_(loop),
        context_(*TlsContext::make(tls)),
        fd_(*open_listen_socket(*config::parse_address("127.0.0.1:0"), {})),
        listener_(loop, fd_.get(), "tls", *this) {
    EXPECT_TRUE(listener_.resume());
  }
  std::string url(std::string_view host) const {
    return fmt::format("https://{}:{}/", host, bound_port(fd_.get()));
  }
  const std::string& failure() const { return failure_; }

 private:
  void on_accept(int fd, const IpAddress&) override {
    stream_ = make_tls_stream(loop_, fd, context_);
    EXPECT_TRUE(stream_->start(*this));
  }
  void on_readable() override {
    char space[4096];
    IoResult result = stream_->read(space);
    if (result.status == IoStatus::error) failure_ = stream_->failure();
    if (result.status != IoStatus::ok) return;
    std::string answer = HttpServer::ok(stream_->tls_protocol());
    iovec part{answer.data(), answer.size()};
    EXPECT_EQ(stream_->write({&part, 1}).bytes, answer.size());
  }
  void on_writable() override {}

  event::Loop& loop_;
  TlsContext context_;
  OwnedFd fd_;
  net::Listener listener_;
  std::unique_ptr<Stream> stream_;
  std::string failure_;
};

TEST_F(FetcherTest, VerifiesTheServerOfHttps) {
  CertificateText text = make_certificate();
  TlsServer server(loop_, tls_of(text));
  EXPECT_EQ(body_of(fetch({.url = server.url("127.0.0.1"), .authorities = text.certificate}).result),
            "TLSv1.3");
  EXPECT_EQ(body_of(fetch({.url = server.url("localhost"), .authorities = text.certificate}).result),
            "TLSv1.3");

  Outcome unknown = get(server.url("127.0.0.1"));
  ASSERT_FALSE(unknown.result);
  EXPECT_EQ(unknown.result.error().type, "tls_certificate_error");
  EXPECT_TRUE(unknown.result.error().nothing_sent);

  Outcome other_name = fetch({.url = server.url("127.0.0.2"), .authorities = text.certificate});
  ASSERT_FALSE(other_name.result);

  EXPECT_EQ(body_of(fetch({.url = server.url("127.0.0.1"), .verify = false}).result), "TLSv1.3");
}

TEST(FetchNow, WaitsForTheAnswerOrTheTimeout) {
  HttpServer server([](const std::string&) { return HttpServer::ok("now"); });
  EXPECT_EQ(body_of(fetch_now({.url = server.url("/")}, 10s)), "now");
  server.hold();
  auto late = fetch_now({.url = server.url("/")}, 20ms);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().type, "http_response_timeout");
  EXPECT_FALSE(fetch_now({.url = "gopher://x/"}, 10s));
}

TEST(FetchNow, SpeaksOverAUnixSocket) {
  std::string path = testing::TempDir() + "banyan-fetch-" + std::to_string(getpid()) + ".sock";
  config::Address address = *config::parse_address("unix:" + path);
  OwnedFd fd(*open_listen_socket(address, {}));
  fcntl(fd.get(), F_SETFL, 0);
  HttpServer server(std::move(fd), [](const std::string& request) { return HttpServer::ok(request); });
  FetchRequest request{.url = "http://banyan/status", .unix_socket = path};
  EXPECT_TRUE(body_of(fetch_now(request, 10s)).starts_with("GET /status HTTP/1.1\r\nHost: banyan\r\n"));
  remove_socket_file(address);
  auto gone = fetch_now(request, 10s);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().type, "connection_refused");
}

TEST(FetchMessage, UrlsInMessagesHideSecrets) {
  EXPECT_EQ(display_url("http://user:pass@host:80/p@th?sig=1#f"), "http://host:80/p@th");
  EXPECT_EQ(display_url("https://host"), "https://host");
  EXPECT_EQ(display_url("nonsense?x"), "nonsense");
}

TEST(FetchMessage, HeadReaderJoinsFoldedLinesAndStartsAnew) {
  FetchResponse response;
  HeadReader reader(response);
  for (std::string_view line : {"HTTP/1.1 100 Continue\r\n", "A: 1\r\n", "\r\n", "HTTP/1.1 200 OK\r\n",
                                "B: 2\r\n", "  3\r\n", "odd line\r\n", "\r\n"}) {
    EXPECT_TRUE(reader.take_line(line));
  }
  EXPECT_EQ(response.fields, (std::vector<FetchField>{{"B", "2 3"}}));
}

}  // namespace
}  // namespace banyan::net
