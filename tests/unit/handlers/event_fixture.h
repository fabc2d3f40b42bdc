// Handlers of the type event_dispatch with subscribers at the other ends of socket pairs.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "handlers/all_handlers.h"
#include "http/ws_receiver.h"
#include "shm/event_log.h"
#include "support/fake_call.h"
#include "support/fake_worker.h"
#include "support/ws_client.h"

namespace banyan::handlers {

class FakeTenure final : public handler::Tenure {
 public:
  FakeTenure(int& alive, Callback* moved) : alive_(alive), moved_(moved) { ++alive_; }
  ~FakeTenure() override { --alive_; }
  void listen_moved(Callback run) override {
    if (moved_) *moved_ = run;
  }

 private:
  int& alive_;
  Callback* moved_;
};

// One message of an unmasked WebSocket stream.
struct Heard {
  http::WsOpcode opcode = http::WsOpcode::text;
  std::string payload;
  bool compressed = false;
};

// The client of one connection.
class EventClient {
 public:
  explicit EventClient(event::Loop& loop) : loop_(loop) {}
  ~EventClient() { hang_up(); }
  EventClient(const EventClient&) = delete;

  // Gives the other end to the taker of the call.
  void join(handler::Handler& handler, testing::FakeRequest request, int& alive, std::string early = {}) {
    ask(handler, std::move(request));
    if (call_->taker()) hand_over(alive, std::move(early));
  }
  // The two halves of it.
  void ask(handler::Handler& handler, testing::FakeRequest request,
           const std::vector<std::pair<std::string, handler::Handler*>>& offered = {}) {
    call_ = std::make_unique<testing::FakeCall>(loop_, std::move(request));
    for (const auto& [name, target] : offered) call_->offer(name, *target);
    call_->open(handler);
  }
  void hand_over(int& alive, std::string early = {}, bool gone = false) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    fd_ = ends[0];
    if (gone) hang_up();
    handler::Connection connection;
    connection.stream = net::make_plain_stream(loop_, ends[1]);
    ASSERT_TRUE(connection.stream->start(nobody_));
    connection.received = std::move(early);
    connection.tenure = std::make_unique<FakeTenure>(alive, &moved_);
    call_->taker()->take(std::move(connection));
    call_->hang_up();
  }

  testing::FakeCall& call() { return *call_; }
  int fd() const { return fd_; }
  void move() { moved_(); }
  void send(std::string_view bytes) {
    ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), ssize_t(bytes.size()));
  }
  void say(std::string_view text) { send(support::client_frame({}, text)); }
  void hang_up() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  // What came so far; reads what is there.
  const std::string& heard() {
    char space[65536];
    while (fd_ >= 0) {
      const ssize_t count = recv(fd_, space, sizeof space, MSG_DONTWAIT);
      if (count == 0) ended_ = true;
      if (count <= 0) break;
      bytes_.append(space, static_cast<size_t>(count));
    }
    return bytes_;
  }
  bool ended() {
    heard();
    return ended_;
  }
  bool wait_for(std::string_view text) {
    return testing::run_until(loop_, [&] { return heard().find(text) != std::string::npos; });
  }
  bool wait_for_end() {
    return testing::run_until(loop_, [&] { return ended(); });
  }
  void forget() { bytes_.clear(); }

  // The whole frames that came.
  std::vector<Heard> frames() {
    heard();
    std::vector<Heard> frames;
    std::string_view rest = bytes_;
    while (true) {
      const http::WsHeadParse head = http::parse_ws_head(rest.substr(0, http::kLongestWsHead));
      if (head.head_size == 0 || rest.size() < head.head_size + head.head.size) return frames;
      frames.push_back(
          {head.head.opcode, std::string(rest.substr(head.head_size, head.head.size)), head.head.rsv1});
      rest.remove_prefix(head.head_size + head.head.size);
    }
  }
  std::vector<std::string> messages() {
    std::vector<std::string> messages;
    for (const Heard& one : frames()) {
      if (!is_control(one.opcode)) messages.push_back(one.payload);
    }
    return messages;
  }
  bool wait_for_messages(size_t count) {
    return testing::run_until(loop_, [&] { return messages().size() >= count; });
  }
  // The code of the close frame; 0 when none came within the limit, 1005 for one without.
  int close_code() {
    int code = 0;
    testing::run_until(loop_, [&] {
      for (const Heard& one : frames()) {
        if (one.opcode != http::WsOpcode::close) continue;
        code = one.payload.empty()
                   ? 1005
                   : static_cast<uint8_t>(one.payload[0]) << 8 | static_cast<uint8_t>(one.payload[1]);
      }
      return code != 0 || ended();
    });
    return code;
  }

 private:
  struct Nobody final : net::Stream::Listener {
    void on_readable() override {}
    void on_writable() override {}
  };

  event::Loop& loop_;
  Nobody nobody_;
  std::unique_ptr<testing::FakeCall> call_;
  Callback moved_;
  int fd_ = -1;
  bool ended_ = false;
  std::string bytes_;
};

class EventDispatchTest : public ::testing::Test {
 protected:
  void make(std::string_view keys = {}) {
    made_ = worker_.make(all_handlers(), fmt::format("type = \"event_dispatch\"\n{}", keys));
    ASSERT_TRUE(made_.handler) << made_.problem;
    region_ = *shm::map_region(worker_.segment, shm::Kind::handler,
                               worker_.directory.find(shm::Kind::handler, "test"));
    log_ = std::make_unique<shm::EventLog>(region_.bytes(), shm::EventLog::kNoWorker, 0);
  }

  static testing::FakeRequest websocket(std::string path, std::string query = {}, std::string protocol = {}) {
    testing::FakeRequest request{.path = "/live/" + path, .mount = "/live/", .query = std::move(query)};
    request.upgrade = "websocket";
    request.fields = {{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    if (!protocol.empty()) request.fields.emplace_back("Sec-WebSocket-Protocol", protocol);
    return request;
  }
  static testing::FakeRequest stream(std::string path, std::string query = {}, std::string last_id = {}) {
    testing::FakeRequest request{.path = "/live/" + path, .mount = "/live/", .query = std::move(query)};
    request.fields = {{"Accept", "text/event-stream"}};
    if (!last_id.empty()) request.fields.emplace_back("Last-Event-ID", last_id);
    return request;
  }

  std::unique_ptr<EventClient> join(testing::FakeRequest request, std::string early = {}) {
    auto client = std::make_unique<EventClient>(worker_.loop);
    client->join(*made_.handler, std::move(request), alive_, std::move(early));
    return client;
  }
  // From another process, as it were.
  shm::EventId publish(std::string_view channel, std::string_view data,
                       shm::EventKind kind = shm::EventKind::text) {
    const auto published = log_->publish(channel, kind, data, {}, MonotonicClock::now());
    EXPECT_TRUE(published.ok());
    worker_.bells.ring(published->wake);
    return published->id;
  }
  void turns(int count) {
    struct Tick {
      void tick() {}
    } nothing;
    event::Timer timer(worker_.loop, Callback::to<&Tick::tick>(&nothing));
    for (int i = 0; i < count; ++i) {
      timer.start(Millis(1));
      worker_.loop.turn();
    }
  }
  uint64_t metric(shm::Metric metric, auto... labels) {
    return worker_.counters.counter(metric, worker_.directory.find(shm::Kind::handler, "test"), labels...)
        .value();
  }

  testing::FakeWorker worker_;
  testing::MadeHandler made_;
  shm::Region region_;
  std::unique_ptr<shm::EventLog> log_;
  int alive_ = 0;  // connections that the handler holds
};

}  // namespace banyan::handlers
