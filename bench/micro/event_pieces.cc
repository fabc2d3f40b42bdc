#include "handlers/all_handlers.h"
#include "micro/piece.h"
#include "shm/event_log.h"
#include "support/fake_call.h"
#include "support/fake_worker.h"

namespace banyan::bench {
namespace {

// A client that takes everything at once.
class Sink final : public net::Stream {
 public:
  explicit Sink(uint64_t& taken) : taken_(taken) {}
  bool start(Listener&) override { return true; }
  void hand_to(Listener&) override {}
  net::IoResult read(std::span<char>) override { return {net::IoStatus::again, 0, true, 0}; }
  net::IoResult write(std::span<const iovec> parts) override {
    size_t bytes = 0;
    for (const iovec& part : parts) bytes += part.iov_len;
    taken_ += bytes;
    return {net::IoStatus::ok, bytes, false, 0};
  }
  void want_write() override {}
  void shutdown_write() override {}
  void reset_on_close() override {}
  int fd() const override { return -1; }

 private:
  uint64_t& taken_;
};

class NoTenure final : public handler::Tenure {
  void listen_moved(Callback) override {}
};

// An event of 100 bytes from its publisher to 64 WebSockets, but for the kernel's part.
std::function<void()> fan_out() {
  constexpr int kSubscribers = 64;
  struct State {
    testing::FakeWorker worker;
    testing::MadeHandler made = worker.make(handlers::all_handlers(), "type = \"event_dispatch\"");
    shm::Region region = *shm::map_region(worker.segment, shm::Kind::handler,
                                          worker.directory.find(shm::Kind::handler, "test"));
    shm::EventLog log{region.bytes(), shm::EventLog::kNoWorker, 0};
    std::string data = std::string(100, 'x');
    uint64_t taken = 0;
  };
  auto state = std::make_shared<State>();
  for (int i = 0; i < kSubscribers; ++i) {
    testing::FakeRequest request{.path = "/live/prices", .mount = "/live/", .upgrade = "websocket"};
    request.fields = {{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    testing::FakeCall call(state->worker.loop, std::move(request));
    call.open(*state->made.handler);
    CHECK(call.taker());
    handler::Connection connection;
    connection.stream = std::make_unique<Sink>(state->taken);
    connection.tenure = std::make_unique<NoTenure>();
    call.taker()->take(std::move(connection));
    call.hang_up();
  }
  return [state] {
    const uint64_t all = state->taken + kSubscribers * (state->data.size() + 2);
    const auto published = state->log.publish("prices", shm::EventKind::text, state->data, {}, TimePoint());
    state->worker.bells.ring(published->wake);
    while (state->taken < all) state->worker.loop.turn();
  };
}

}  // namespace

std::vector<Piece> event_pieces() { return {{"fan_out", fan_out}}; }

}  // namespace banyan::bench
