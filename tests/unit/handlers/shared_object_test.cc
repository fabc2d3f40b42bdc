// The C interface, with handlers in C that are built beside this test.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "handler/abi.h"
#include "handlers/all_handlers.h"
#include "support/fake_call.h"
#include "support/fake_worker.h"

namespace banyan::handlers {
namespace {

using testing::FakeCall;
using testing::FakeWorker;
using testing::MadeHandler;
using testing::run_until;

std::string object(std::string_view name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "test_handlers" / name).string() +
         ".so";
}

struct SharedObjectTest : ::testing::Test {
  FakeWorker worker;

  MadeHandler make(std::string_view name, std::string_view keys = "") {
    return worker.make(all_handlers(),
                       fmt::format("type = \"shared_object\"\npath = \"{}\"\n{}", object(name), keys));
  }
  std::string problem(std::string_view name, std::string_view keys = "") {
    MadeHandler made = make(name, keys);
    EXPECT_FALSE(made.handler);
    return made.problem;
  }
};

TEST_F(SharedObjectTest, RefusesWithAClearMessage) {
  EXPECT_EQ(
      problem("not_there"),
      object("not_there") + ": cannot be loaded: cannot open shared object file: No such file or directory");
  EXPECT_EQ(
      problem("broken_no_symbol"),
      object("broken_no_symbol") + ": is not a Banyan handler: it exports no symbol \"banyan_handler\"");
  EXPECT_EQ(problem("broken_version"),
            object("broken_version") +
                ": was built for version 2 of banyan/handler.h, this Banyan has version 1: build it anew");
  EXPECT_EQ(
      problem("broken_size"),
      object("broken_size") + fmt::format(": its handler table is too small: 24 bytes, version 1 has {}",
                                          sizeof(banyan_handler_table)));
  EXPECT_EQ(problem("broken_no_open"),
            object("broken_no_open") + ": its handler table has no function for open");
  EXPECT_EQ(problem("broken_calls", "options = { refuse = \"no licence\" }"),
            object("broken_calls") + ": no licence");
}

TEST_F(SharedObjectTest, RefusesAFileThatIsNoObject) {
  MadeHandler made = worker.make(all_handlers(), "type = \"shared_object\"\npath = \"/etc/passwd\"");
  EXPECT_FALSE(made.handler);
  EXPECT_NE(made.problem.find("/etc/passwd: cannot be loaded: "), std::string::npos) << made.problem;
}

TEST_F(SharedObjectTest, OptionsAreStrings) {
  EXPECT_NE(problem("sample_handler", "options = { greeting = 1 }").find("handler.test.options.greeting: "),
            std::string::npos);
  EXPECT_NE(
      problem("sample_handler", "options = \"x\"").find("handler.test.options: must be a table of strings"),
      std::string::npos);
  MadeHandler made = worker.make(all_handlers(), "type = \"shared_object\"");
  EXPECT_NE(made.problem.find("handler.test.path: is missing"), std::string::npos) << made.problem;
}

TEST_F(SharedObjectTest, PrintsOptionsThatAreNoSecrets) {
  MadeHandler made = make("sample_handler", "options = { greeting = \"hi\", \"odd key\" = \"x\" }");
  ASSERT_TRUE(made.handler) << made.problem;
  const config::HandlerEntry& entry = made.config->handlers.front();
  EXPECT_NE(entry.options.section()
                ->print_inline(entry.options.get())
                .find("options = { greeting = \"hi\", \"odd key\" = \"x\" }"),
            std::string::npos);
}

TEST_F(SharedObjectTest, AnswersWithinOpen) {
  MadeHandler made = make("sample_handler", "options = { greeting = \"Good day\" }");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.path = "/hello"});
  call.open(*made.handler);
  EXPECT_FALSE(call.has_session());
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 200);
  EXPECT_EQ(call.body(), "Good day");
  EXPECT_EQ(call.field("Content-Type"), "text/plain");
  EXPECT_EQ(call.length().size, 8u);
}

TEST_F(SharedObjectTest, HeadHasNoBody) {
  MadeHandler made = make("sample_handler");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.method = "HEAD", .path = "/hello"});
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.length().size, 5u);
  EXPECT_EQ(call.body(), "");
}

TEST_F(SharedObjectTest, StreamsWithBackPressure) {
  MadeHandler made = make("sample_handler");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.method = "POST", .path = "/upper", .body = std::nullopt});
  call.hold_back(true);
  call.open(*made.handler);
  const std::string piece(4096, 'p');
  size_t sent = 0;
  while (!call.request_pipe().writer().full()) {
    call.send(piece);
    sent += piece.size();
    worker.loop.turn();
    ASSERT_LT(sent, size_t{1'000'000});
  }
  EXPECT_LE(call.response_pipe().reader().size(), http::BodyPipe::kHighWater + piece.size());
  call.hold_back(false);
  ASSERT_TRUE(run_until(worker.loop, [&] { return call.body().size() == sent; }));
  call.send("end");
  call.end_request();
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.body(), std::string(sent, 'P') + "END");
}

TEST_F(SharedObjectTest, KnowsTheLengthOfTheBody) {
  MadeHandler made = make("sample_handler");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.method = "POST", .path = "/upper", .body = "hello"});
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.length().kind, http::BodyKind::sized);
  EXPECT_EQ(call.length().size, 5u);
  EXPECT_EQ(call.body(), "HELLO");
}

TEST_F(SharedObjectTest, ABrokenBodyBreaksTheAnswer) {
  MadeHandler made = make("sample_handler");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.method = "POST", .path = "/upper", .body = std::nullopt});
  call.open(*made.handler);
  call.break_request(client_error(400, "gone"));
  ASSERT_TRUE(call.run());
  ASSERT_TRUE(call.failure());
  EXPECT_EQ(call.failure()->message, "handler test: the request broke off");
}

TEST_F(SharedObjectTest, TimersFire) {
  MadeHandler made = make("sample_handler");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.path = "/later", .query = "30"});
  call.open(*made.handler);
  EXPECT_TRUE(call.has_session());
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.body(), "later");
  EXPECT_GE(call.finished_at() - call.arrived(), std::chrono::milliseconds(30));
}

TEST_F(SharedObjectTest, AThreadWakesTheCall) {
  MadeHandler made = make("sample_handler");
  ASSERT_TRUE(made.handler) << made.problem;
  for (int i = 0; i < 50; ++i) {
    FakeCall call(worker.loop, {.path = "/thread"});
    call.open(*made.handler);
    ASSERT_TRUE(call.run());
    EXPECT_EQ(call.body(), "2880067194370816120");
  }
}

TEST_F(SharedObjectTest, AWakerOutlivesCallAndHandler) {
  for (int i = 0; i < 50; ++i) {
    MadeHandler made = make("sample_handler");
    ASSERT_TRUE(made.handler) << made.problem;
    FakeCall call(worker.loop, {.path = "/thread"});
    call.open(*made.handler);
    call.hang_up();  // the thread may be anywhere
    if (i % 2) made.handler.reset();
    FakeCall later(worker.loop, {.path = "/later", .query = "1"});
    MadeHandler other = make("sample_handler");
    later.open(*other.handler);
    ASSERT_TRUE(later.run());
    EXPECT_FALSE(call.done());
  }
}

TEST_F(SharedObjectTest, MistakesOfThePluginAreRefused) {
  MadeHandler made = make("broken_calls");
  ASSERT_TRUE(made.handler) << made.problem;
  FakeCall call(worker.loop, {.path = "/mistakes"});
  call.open(*made.handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.status(), 200);
  EXPECT_EQ(call.body(), "four mistakes");

  FakeCall silent(worker.loop, {.path = "/silent"});
  silent.open(*made.handler);
  EXPECT_EQ(silent.status(), 500);
  ASSERT_TRUE(silent.failure());
  EXPECT_EQ(silent.failure()->fault, Fault::handler);

  FakeCall failed(worker.loop, {.path = "/failed"});
  failed.open(*made.handler);
  EXPECT_EQ(failed.status(), 504);
}

}  // namespace
}  // namespace banyan::handlers
