// What `explain` says of a request is what the data path does with it: both are asked about the same bytes,
// many times over.
#include "process/explain.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "configurations.h"
#include "exchange/front.h"
#include "http/h1_parser.h"
#include "process/inheritance.h"
#include "process/workplace.h"

namespace banyan::process {
namespace {

constexpr int kRequests = 100'000;

constexpr std::string_view kConfiguration = R"(
trusted_proxies = ["172.16.0.0/12"]
[log]
access = { path = "stdout", format = "json" }
[[listener]]
address = "127.0.0.1:0"
[lua]
routes = "routes.lua"
[handler.old]
type = "static_reply"
body = "handler.old"
[handler.new]
type = "static_reply"
body = "handler.new"
[handler.beta]
type = "static_reply"
body = "handler.beta"
[rollout.a]
legacy = "handler.old"
native = "handler.new"
percent = 10
sticky = ["cookie:uid", "header:X-User", "client_ip"]
force = { header = "X-Side", from = ["10.0.0.0/8"] }
[rollout.b]
legacy = "handler.old"
native = "handler.beta"
percent = 50
sticky = ["header:X-User", "cookie:session"]
assign_cookie = true
[rollout.c]
legacy = "handler.beta"
native = "handler.new"
percent = 99.99
salt = "a"
[[route]]
name = "exact"
path = "/exact"
target = "rollout.a"
[[route]]
name = "posts"
path = "/exact"
methods = ["POST"]
host = "api.example"
target = "rollout.b"
[[route]]
name = "prefix"
path = "/prefix/*"
host = "*.example"
target = "rollout.b"
[[route]]
name = "regex"
path = "~ ^/n/[0-9]+$"
target = "rollout.c"
[[route]]
name = "version"
path = "/v/*"
headers = { X-Version = "2" }
target = "rollout.a"
[[route]]
name = "fixed"
path = "/v/*"
target = "handler.beta"
[[route]]
name = "redirect"
path = "/moved"
redirect = { to = "/exact", status = 301 }
[[route]]
name = "reply"
path = "/reply"
reply = { status = 204 }
[[route]]
name = "deep"
path = "/prefix/deep/*"
methods = ["GET", "PUT"]
target = "rollout.c"
)";

constexpr std::string_view kScript = R"(
return { route = function(request)
  local mood = request.headers["x-mood"]
  if mood == "native" then return { side = "native", reason = "mood" } end
  if mood == "legacy" then return { side = "legacy" } end
  if mood == "half" then return { percent = 50 } end
  local user = request.headers["x-user"]
  if mood == "key" then return { key = user ~= "" and user or "nobody" } end
  if mood == "beta" then return { target = "handler.beta" } end
  if mood == "roll" then return { target = "rollout.c", percent = 12.34, key = request.path } end
  if mood == "teapot" then return { status = 418, body = "short and stout" } end
end }
)";

// One request of a client, without the client.
class FakeStream final : public http::InboundStream {
 public:
  explicit FakeStream(event::Loop& loop) : request_body_(loop), response_body_(loop) {}

  const http::RequestHead& head() const override { return head_; }
  const http::ConnectionInfo& connection() const override { return connection_; }
  net::IpAddress local_address() const override { return {}; }
  http::BodyReader& request_body() override { return request_body_.reader(); }
  http::BodyWriter& response_body() override { return response_body_.writer(); }
  void limit_request_body(uint64_t) override {}
  void send_continue() override {}
  void interim(const http::ResponseHead&) override {}
  void respond(const http::ResponseHead&) override { responded_ = true; }
  void hand_over(const http::ResponseHead&) override { FAIL() << "nothing here takes connections over"; }
  bool responded() const override { return responded_; }
  void keep_request_body(size_t) override {}
  bool can_rewind_request_body() const override { return true; }
  void rewind_request_body() override {}
  void restart_response_body() override {}
  void close_after_answer() override {}
  void abort() override { FAIL() << "nothing here is broken off"; }
  uint64_t bytes_sent() const override { return 0; }
  uint64_t body_bytes_sent() const override { return 0; }
  uint64_t request_bytes() const override { return 0; }

  std::string body() {
    std::string text;
    for (const Slice& slice : response_body_.reader().slices()) text += slice.view();
    return text;
  }

  http::RequestHead head_;
  http::ConnectionInfo connection_;

 private:
  http::BodyPipe request_body_;
  http::BodyPipe response_body_;
  bool responded_ = false;
};

class LastLine final : public exchange::AccessLog {
 public:
  void write_access(std::string_view line) override { text = line; }
  std::string text;
};

class ExplainTest : public ::testing::Test {
 protected:
  ExplainTest() {
    folder_.write("routes.lua", kScript);
    auto configuration = folder_.read(kConfiguration);
    CHECK(add_names(configuration->config, workplace_.directory()).ok());
    auto built = Generation::build(configuration, workplace_.surroundings(), nullptr, {});
    EXPECT_EQ(config::to_text(built.diagnostics), "");
    generation_ = built.generation;
    front_.switch_to(generation_->site());
  }

  template <size_t N>
  const char* one_of(const char* const (&words)[N]) {
    return words[random_() % N];
  }
  bool chance(uint32_t percent) { return random_() % 100 < percent; }

  admin::ExplainRequest make_request() {
    admin::ExplainRequest request;
    request.method = one_of({"GET", "GET", "GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"});
    request.path = one_of({"/exact", "/prefix/x", "/prefix/deep/y", "/n/12", "/n/x", "/v/1", "/moved",
                           "/reply", "/none", "/", "/prefix/../exact", "/exact/", "//exact", "/n/7?a=b"});
    request.host = one_of({"api.example", "API.Example:8080", "www.example", "other", "x.y.example."});
    request.client_ip = one_of({"10.1.2.3", "192.0.2.7", "2001:db8::1", "172.16.0.9", "unix:"});
    request.tls = chance(30);
    const auto id = [this] { return std::to_string(random_() % 5000); };
    const auto add = [&](std::string name, std::string value) {
      request.headers.emplace_back(std::move(name), std::move(value));
    };
    if (chance(50)) add("Cookie", "a=b; uid=" + id());
    if (chance(20)) add("Cookie", "session=" + id() + "; uid=" + id());
    if (chance(40)) add("X-User", chance(5) ? "" : id());
    if (chance(15)) add("X-Side", one_of({"native", "legacy", "Native", "sideways"}));
    if (chance(20)) add("X-Version", one_of({"2", "1"}));
    if (chance(20)) add("X-Forwarded-For", one_of({"10.9.9.9", "203.0.113.5, 172.16.3.3", "no address"}));
    if (chance(20)) {
      add("X-Mood", one_of({"native", "legacy", "half", "key", "beta", "roll", "teapot", "none"}));
    }
    return request;
  }

  // Sends it down the data path; the access log's line and the body say what became of it.
  nlohmann::json serve(const admin::ExplainRequest& request, std::string& body) {
    std::string text =
        fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.path, request.host);
    for (const auto& [name, value] : request.headers) text += fmt::format("{}: {}\r\n", name, value);
    text += "\r\n";
    FakeStream stream(workplace_.loop());
    BlockRef block = workplace_.buffers().small.take();
    std::memcpy(block.bytes(), text.data(), text.size());
    http::H1HeadProgress progress;
    auto size = http::parse_request_head(block, 0, text.size(), {}, progress, stream.head_);
    EXPECT_TRUE(size && *size == text.size()) << text;
    stream.connection_.peer = request.client_ip == "unix:" ? net::IpAddress::unix_peer()
                                                           : *net::IpAddress::parse(request.client_ip);
    if (request.tls) stream.connection_.tls_protocol = "TLSv1.3";
    std::unique_ptr<http::StreamUser> exchange = front_.open(stream);
    EXPECT_TRUE(stream.responded());
    body = stream.body();
    exchange->on_stream_end(http::StreamEnd::complete);
    return nlohmann::json::parse(log_.text);
  }

  void order(std::string_view name, uint32_t percent) {
    const auto* target = generation_->find_target(fmt::format("rollout.{}", name))->rollout;
    rollout::State state;
    state.phase = percent == 1234 ? rollout::Phase::file : rollout::Phase::set;
    state.percent = percent;
    rollout::state_cell(segment_, target->number).write(state);
  }

  void compare(const admin::ExplainRequest& request) {
    Result<admin::Explanation> explained = explain(*generation_, request, explain_random_);
    ASSERT_TRUE(explained) << explained.error().message;
    std::string body;
    const nlohmann::json log = serve(request, body);
    SCOPED_TRACE(log.dump());
    ASSERT_EQ(log.value("route", ""), explained->route);
    ASSERT_EQ(log.value("rollout", ""), explained->rollout);
    ++routes_[explained->route];
    if (explained->status != 0) {
      ASSERT_EQ(log["status"], explained->status);
      return;
    }
    ++reasons_[std::string(shm::reason_name(explained->reason))];
    if (explained->key_source == "none") return;  // drawn anew by each
    if (!explained->rollout.empty()) {
      ASSERT_EQ(log["bucket"], explained->bucket.value());
    }
    ASSERT_EQ(log["side"], shm::side_name(explained->side));
    ASSERT_EQ(log["reason"], shm::reason_name(explained->reason));
    ASSERT_EQ(log["target"], explained->destination);
    if (request.method != "HEAD") {
      ASSERT_EQ(body, explained->destination);
    }
  }

  ConfigurationFolder folder_;
  shm::Segment segment_ = std::move(*shm::Segment::create());
  Workplace workplace_{segment_, shm::worker_slot(0)};
  std::shared_ptr<Generation> generation_;
  LastLine log_;
  shm::RateLimiter rates_{segment_};
  shm::InFlight in_flight_{segment_, shm::worker_slot(0)};
  shm::RolloutStatistics statistics_{segment_, shm::worker_slot(0)};
  exchange::Front front_{{workplace_.loop(), workplace_.buffers(), workplace_.counters(), rates_, in_flight_,
                          statistics_, log_}};
  std::mt19937_64 random_{2026};
  Random explain_random_{1};
  std::map<std::string, int> routes_;
  std::map<std::string, int> reasons_;
};

TEST_F(ExplainTest, AgreesWithTheDataPathOnAHundredThousandRandomRequests) {
  for (int i = 0; i < kRequests; ++i) {
    if (i % 500 == 0) {
      for (const char* name : {"a", "b", "c"}) {
        const uint32_t percents[] = {0, 1, 1000, 1234, 5000, 9999, 10000};
        order(name, percents[random_() % 7]);
      }
    }
    const admin::ExplainRequest request = make_request();
    compare(request);
    if (HasFatalFailure()) FAIL() << "request " << i << ": " << request.method << ' ' << request.path;
  }
  for (const char* route :
       {"", "exact", "posts", "prefix", "regex", "version", "fixed", "redirect", "reply", "deep"}) {
    EXPECT_GT(routes_[route], 100) << route;
  }
  for (const char* reason : {"static", "hash", "cookie", "header", "lua", "forced"}) {
    EXPECT_GT(reasons_[reason], 100) << reason;
  }
}

}  // namespace
}  // namespace banyan::process
