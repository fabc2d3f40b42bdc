#include "handler/offload.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "support/fake_call.h"
#include "support/fake_worker.h"

namespace banyan::handler {
namespace {

using testing::FakeCall;
using testing::FakeWorker;
using testing::run_until;

// What the test and the pool threads share.
struct Stage {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = true;
  int waiting = 0;  // threads before the closed gate
  int served = 0;
  std::atomic<int> alive = 0;

  void pass() {
    std::unique_lock lock(mutex);
    ++waiting;
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
    --waiting;
    ++served;
  }
  void set_open(bool value) {
    std::lock_guard lock(mutex);
    open = value;
    changed.notify_all();
  }
  void wait_for_waiting(int count) {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return waiting == count; }));
  }
};

class Reverser final : public BlockingHandler {
 public:
  explicit Reverser(Stage& stage) : stage_(stage) { ++stage_.alive; }
  ~Reverser() override { --stage_.alive; }

  Response serve(const Request& request) const override {
    if (request.path == "/throw") throw std::runtime_error("out of cheese");
    stage_.pass();
    Response response;
    response.status = 201;
    response.fields.emplace_back("X-Seen", request.method_text + " " + request.path + "?" + request.query +
                                               " " + std::string(request.field("x-tag")) + " " +
                                               request.client_ip);
    response.body.assign(request.body.rbegin(), request.body.rend());
    thread_ = std::this_thread::get_id();
    return response;
  }

  static std::thread::id thread_;

 private:
  Stage& stage_;
};

std::thread::id Reverser::thread_;

struct OffloadTest : ::testing::Test {
  Stage stage;
  FakeWorker worker;

  std::unique_ptr<Handler> make(const OffloadOptions& options = {}) {
    return offload(std::make_unique<Reverser>(stage), worker.services, options);
  }
};

TEST_F(OffloadTest, ServesOnAnotherThread) {
  auto handler = make();
  FakeCall call(
      worker.loop,
      {.method = "POST", .path = "/a", .query = "b=1", .fields = {{"X-Tag", "t"}}, .body = "hello"});
  call.open(*handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 201);
  EXPECT_EQ(call.body(), "olleh");
  EXPECT_EQ(call.field("X-Seen"), "POST /a?b=1 t 192.0.2.1");
  EXPECT_NE(Reverser::thread_, std::this_thread::get_id());
}

TEST_F(OffloadTest, CollectsABodyThatComesInPieces) {
  auto handler = make();
  FakeCall call(worker.loop, {.method = "POST", .body = std::nullopt});
  call.open(*handler);
  for (const char* piece : {"ab", "cd", "ef"}) {
    call.send(piece);
    worker.loop.turn();
    EXPECT_EQ(call.request_pipe().reader().size(), 0u);
  }
  call.end_request();
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.body(), "fedcba");
}

TEST_F(OffloadTest, RefusesBodiesThatAreTooLong) {
  auto handler = make({.max_body = 4});
  FakeCall announced(worker.loop, {.method = "POST", .body = "12345"});
  announced.open(*handler);
  EXPECT_FALSE(announced.has_session());
  EXPECT_EQ(announced.status(), 413);

  FakeCall streamed(worker.loop, {.method = "POST", .body = std::nullopt});
  streamed.open(*handler);
  streamed.send("12345");
  ASSERT_TRUE(streamed.run());
  EXPECT_EQ(streamed.status(), 413);
  EXPECT_EQ(stage.served, 0);

  FakeCall fits(worker.loop, {.method = "POST", .body = "1234"});
  fits.open(*handler);
  ASSERT_TRUE(fits.run());
  EXPECT_EQ(fits.status(), 201);
}

TEST_F(OffloadTest, ABrokenBodyFailsTheCall) {
  auto handler = make();
  FakeCall call(worker.loop, {.method = "POST", .body = std::nullopt});
  call.open(*handler);
  call.send("half");
  call.break_request(client_error(400, "gone"));
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 400);
  EXPECT_EQ(stage.served, 0);
}

TEST_F(OffloadTest, AnExceptionBecomesA500) {
  auto handler = make();
  FakeCall call(worker.loop, {.path = "/throw"});
  call.open(*handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 500);
  ASSERT_TRUE(call.failure());
  EXPECT_EQ(call.failure()->fault, Fault::handler);
  EXPECT_NE(call.failure()->message.find("out of cheese"), std::string::npos);
}

TEST_F(OffloadTest, BusyIs503WithRetryAfter) {
  auto handler = make({.max_pending = 2});
  stage.set_open(false);
  FakeCall first(worker.loop, {}), second(worker.loop, {}), third(worker.loop, {});
  first.open(*handler);
  second.open(*handler);
  worker.loop.turn();
  stage.wait_for_waiting(2);
  third.open(*handler);
  ASSERT_TRUE(third.run());
  EXPECT_EQ(third.status(), 503);
  EXPECT_EQ(third.field("Retry-After"), "1");
  stage.set_open(true);
  ASSERT_TRUE(first.run());
  ASSERT_TRUE(second.run());
  EXPECT_EQ(first.status(), 201);
  EXPECT_EQ(second.status(), 201);
  // There is room again.
  FakeCall fourth(worker.loop, {});
  fourth.open(*handler);
  ASSERT_TRUE(fourth.run());
  EXPECT_EQ(fourth.status(), 201);
}

TEST_F(OffloadTest, ACallThatEndsBeforeItsTurnIsNotServed) {
  auto handler = make();
  stage.set_open(false);
  FakeCall first(worker.loop, {}), second(worker.loop, {}), gone(worker.loop, {});
  first.open(*handler);
  second.open(*handler);
  worker.loop.turn();
  stage.wait_for_waiting(2);  // both threads of the pool
  gone.open(*handler);
  worker.loop.turn();
  EXPECT_EQ(worker.pool.queued(), 1u);
  gone.hang_up();
  stage.set_open(true);
  ASSERT_TRUE(first.run());
  ASSERT_TRUE(second.run());
  ASSERT_TRUE(run_until(worker.loop, [&] { return worker.pool.queued() == 0; }));
  EXPECT_EQ(stage.served, 2);
}

TEST_F(OffloadTest, ACallMayEndWhileItIsServedAndTheHandlerToo) {
  auto handler = make();
  stage.set_open(false);
  FakeCall call(worker.loop, {});
  call.open(*handler);
  worker.loop.turn();
  stage.wait_for_waiting(1);
  call.hang_up();
  handler.reset();
  EXPECT_EQ(stage.alive, 1);  // serve() is inside it
  stage.set_open(true);
  FakeCall another(worker.loop, {});
  auto other = make();
  another.open(*other);
  ASSERT_TRUE(another.run());
  ASSERT_TRUE(run_until(worker.loop, [&] { return stage.alive == 1; }));
}

}  // namespace
}  // namespace banyan::handler
