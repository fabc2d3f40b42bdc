// One call to a handler, without sockets and without an exchange.
//
//   FakeCall call(loop, {.method = "POST", .path = "/x", .body = "hello"});
//   call.open(*handler);
//   ASSERT_TRUE(call.run());
//   EXPECT_EQ(call.status(), 200);
//
// It keeps the handler to its contract (respond() once, no body before it, no fail() twice: CHECK) and
// behaves as an exchange does: reads the response body as it comes, and destroys the session once the call is
// over.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "event/loop.h"
#include "event/timer.h"
#include "handler/handler.h"

namespace banyan::testing {

struct FakeRequest {
  std::string method = "GET";
  std::string path = "/";
  std::string mount = {};  // see Call::mount()
  std::string query = {};
  std::string upgrade = {};
  std::vector<std::pair<std::string, std::string>> fields = {};
  // Sent at once. Nullopt: the test sends it, with send() and end_request().
  std::optional<std::string> body = std::string();
  // Announced as Content-Length; otherwise the length is known only for a body sent at once.
  std::optional<uint64_t> announced = {};
  Duration deadline = std::chrono::seconds(60);
};

// Turns the loop until `done`; false when it took longer than `limit`.
inline bool run_until(event::Loop& loop, const std::function<bool()>& done,
                      Duration limit = std::chrono::seconds(20)) {
  struct Tick {
    void tick() {}
  } nothing;
  // What other threads change wakes no loop, so it is asked for at intervals.
  event::Timer timer(loop, Callback::to<&Tick::tick>(&nothing));
  const TimePoint end = MonotonicClock::now() + limit;
  while (!done() && MonotonicClock::now() < end) {
    timer.start(Millis(5));
    loop.turn();
  }
  return done();
}

class FakeCall final : public handler::Call, private http::BodyReader::Listener {
 public:
  // Arrives now.
  FakeCall(event::Loop& loop, FakeRequest request);
  ~FakeCall();

  // ---- the test's side
  void open(handler::Handler& handler);
  // True once the answer is complete or the call failed.
  bool done() const { return done_; }
  // Runs the loop until then and destroys the session; false when it took longer than `limit`.
  [[nodiscard]] bool run(Duration limit = std::chrono::seconds(20));
  // The client goes away: the session is destroyed at once.
  void hang_up();

  void send(std::string_view bytes) { request_pipe_.writer().write_copy(pool_, bytes); }
  void end_request() { request_pipe_.writer().end(); }
  void break_request(Error error) { request_pipe_.writer().fail(std::move(error)); }
  // Another target of the configuration, which outlives the call.
  void offer(std::string name, handler::Handler& target) { targets_.emplace_back(std::move(name), &target); }
  // The client stops or goes on reading the answer.
  void hold_back(bool on);

  bool responded() const { return responded_; }
  bool has_session() const { return session_ != nullptr; }
  int status() const { return responded_ ? status_ : failure_ ? failure_->status : 0; }
  const http::BodyLength& length() const { return length_; }
  // Of the response; "" when it is not there.
  std::string field(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& response_fields() const { return fields_; }
  const std::string& body() const { return body_; }
  // What fail() said, or how the body broke off.
  const std::optional<Error>& failure() const { return failure_; }
  TimePoint finished_at() const { return finished_at_; }
  bool continued() const { return continued_; }
  // Who was to get the connection, if hand_over() was called; the test calls its take().
  handler::Taker* taker() const { return taker_; }
  http::BodyPipe& request_pipe() { return request_pipe_; }
  http::BodyPipe& response_pipe() { return response_pipe_; }

  // ---- handler::Call
  const http::RequestHead& request() const override { return head_; }
  const http::RequestHead& outbound() override { return head_; }
  const handler::Client& client() const override { return client_; }
  std::string_view mount() const override { return said_.mount; }
  TimePoint arrived() const override { return arrived_; }
  TimePoint deadline() const override { return deadline_; }
  http::BodyReader& request_body() override { return request_pipe_.reader(); }
  void leave_continue_to_me() override {}
  void interim(const http::ResponseHead&) override { continued_ = true; }
  void respond(const http::ResponseHead& head) override;
  void hand_over(const http::ResponseHead& head, handler::Taker& taker) override;
  http::BodyWriter& response_body() override;
  void fail(Error error) override;
  handler::Handler* find_target(std::string_view name) override {
    for (const auto& [known, target] : targets_) {
      if (known == name) return target;
    }
    return nullptr;
  }
  handler::Notes& notes() override { return notes_; }

 private:
  void on_body() override;
  void finish();

  event::Loop& loop_;
  BlockPool pool_{4096, 4};
  FakeRequest said_;
  http::RequestHead head_;
  handler::Client client_{"192.0.2.1", 40000, false, false};
  handler::Notes notes_;
  std::vector<std::pair<std::string, handler::Handler*>> targets_;
  TimePoint arrived_;
  TimePoint deadline_;
  http::BodyPipe request_pipe_;
  http::BodyPipe response_pipe_;

  handler::Taker* taker_ = nullptr;
  bool responded_ = false;
  bool done_ = false;
  bool held_back_ = false;
  bool continued_ = false;
  int status_ = 0;
  http::BodyLength length_;
  std::vector<std::pair<std::string, std::string>> fields_;
  std::string body_;
  std::optional<Error> failure_;
  TimePoint finished_at_{};
  std::unique_ptr<handler::Session> session_;
};

inline FakeCall::FakeCall(event::Loop& loop, FakeRequest request)
    : loop_(loop),
      said_(std::move(request)),
      arrived_(loop.fresh_now()),
      deadline_(arrived_ + said_.deadline),
      request_pipe_(loop),
      response_pipe_(loop) {
  head_.method = http::parse_method(said_.method);
  head_.method_text = said_.method;
  head_.path = said_.path;
  head_.query = said_.query;
  head_.has_query = !said_.query.empty();
  head_.host = "example.org";
  head_.upgrade = said_.upgrade;
  for (const auto& [name, value] : said_.fields) head_.fields.add(name, value);
  if (said_.announced) {
    head_.body = {http::BodyKind::sized, *said_.announced};
  } else if (!said_.body) {
    head_.body = {http::BodyKind::streamed, 0};
  } else if (!said_.body->empty()) {
    head_.body = {http::BodyKind::sized, said_.body->size()};
  }
  if (said_.body) {
    send(*said_.body);
    end_request();
  }
  response_pipe_.reader().listen(this);
}

inline FakeCall::~FakeCall() { session_.reset(); }

inline void FakeCall::open(handler::Handler& handler) {
  session_ = handler.open(*this);
  // Null promises that everything was said within.
  CHECK(session_ || failure_ || (responded_ && response_pipe_.writer().finished()));
}

inline bool FakeCall::run(Duration limit) {
  const bool good = run_until(
      loop_, [this] { return done_; }, limit);
  session_.reset();
  return good;
}

inline void FakeCall::hang_up() {
  session_.reset();
  request_pipe_.reset();
  response_pipe_.reset();
}

inline void FakeCall::hold_back(bool on) {
  held_back_ = on;
  if (!on) response_pipe_.reader().listen(this);
}

inline std::string FakeCall::field(std::string_view name) const {
  for (const auto& [known, value] : fields_) {
    if (http::equal_ignoring_case(known, name)) return value;
  }
  return {};
}

inline void FakeCall::respond(const http::ResponseHead& head) {
  CHECK(!responded_ && !failure_);
  responded_ = true;
  status_ = head.status;
  length_ = head.body;
  for (const http::Field& field : head.fields) fields_.emplace_back(field.name, field.value);
}

inline void FakeCall::hand_over(const http::ResponseHead& head, handler::Taker& taker) {
  respond(head);
  taker_ = &taker;
}

inline http::BodyWriter& FakeCall::response_body() {
  CHECK(responded_);
  return response_pipe_.writer();
}

inline void FakeCall::fail(Error error) {
  CHECK(!failure_);
  failure_ = std::move(error);
  finish();
}

inline void FakeCall::on_body() {
  http::BodyReader& reader = response_pipe_.reader();
  if (held_back_) return;
  while (!reader.empty()) {
    body_.append(reader.front().view());
    reader.consume(reader.front().size);
  }
  if (reader.error()) failure_ = *reader.error();
  if (reader.error() || reader.at_end()) finish();
}

inline void FakeCall::finish() {
  done_ = true;
  finished_at_ = loop_.fresh_now();
}

}  // namespace banyan::testing
