#include "control/hook_command.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace banyan::control {
namespace {

using namespace std::chrono_literals;

CommandEnd run(std::string script, Millis timeout = 20s, std::string input = {}) {
  signal(SIGPIPE, SIG_IGN);
  CommandRun command{
      {"/bin/sh", "-c", std::move(script), "name", "an argument"}, {"BANYAN_WHO=anna"}, {}, timeout};
  command.input = std::move(input);
  return run_command(command, -1);
}

TEST(HookCommand, GetsArgumentsEnvironmentAndInput) {
  const CommandEnd end = run("echo \"$1 $BANYAN_WHO $(cat)\"; echo oops >&2", 20s, "{\"x\":1}\n");
  EXPECT_TRUE(end.ok) << end.what;
  EXPECT_EQ(end.output, "an argument anna {\"x\":1}\noops\n");
}

TEST(HookCommand, SaysHowItEnded) {
  EXPECT_EQ(run("exit 3").what, "exit status 3");
  EXPECT_FALSE(run("exit 3").ok);
  EXPECT_EQ(run("kill -9 $$").what, "ended by signal 9");
  const CommandEnd none = run_command({{"/does/not/exist"}, {}, {}, 1s}, -1);
  EXPECT_FALSE(none.ok);
  EXPECT_EQ(none.what, "/does/not/exist: No such file or directory");
}

TEST(HookCommand, NeitherUnreadInputNorMuchOutputStopsIt) {
  EXPECT_TRUE(run("exit 0", 20s, std::string(1 << 20, 'x')).ok);
  const CommandEnd loud = run("head -c 1000000 /dev/zero | tr '\\0' y");
  EXPECT_TRUE(loud.ok) << loud.what;
  EXPECT_EQ(loud.output, std::string(8 * 1024, 'y'));
}

TEST(HookCommand, IsKilledWithItsGroupWhenItsTimeIsUp) {
  // The grandchild would say its name later, and tells its pid now.
  const CommandEnd end = run("sleep 100 & echo $!; wait", 200ms);
  EXPECT_FALSE(end.ok);
  EXPECT_EQ(end.what, "killed after 200 ms");
  const pid_t grandchild = std::stoi(end.output);
  bool gone = false;
  for (int i = 0; i < 500 && !gone; ++i) {
    // A zombie that nobody has waited for yet can still be signalled: look at its state.
    FILE* stat = std::fopen(("/proc/" + std::to_string(grandchild) + "/stat").c_str(), "r");
    char state = 'X';
    if (stat) {
      if (std::fscanf(stat, "%*d %*s %c", &state) != 1) state = 'X';
      std::fclose(stat);
    }
    gone = state == 'X' || state == 'Z';
    if (!gone) std::this_thread::sleep_for(10ms);
  }
  EXPECT_TRUE(gone);
}

TEST(HookCommand, IsKilledWhenNobodyWaitsForIt) {
  int line[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, line), 0);
  close(line[1]);
  const CommandEnd end = run_command({{"/bin/sleep", "100"}, {}, {}, 100s}, line[0]);
  EXPECT_EQ(end.what, "killed: Banyan stops");
  close(line[0]);
}

TEST(HookCommand, EnvironmentHasWhatIsPlain) {
  const std::vector<std::string> expected = {"BANYAN_NEW=25", "BANYAN_WHY=it is $HOME;"};
  EXPECT_EQ(event_environment(R"({"new": 25, "why": "it is $HOME;", "more": {"x": 1}})"), expected);
  EXPECT_TRUE(event_environment("[1]").empty());
  EXPECT_TRUE(event_environment("{").empty());
}

// What stays in the background holds the output open, but not us.
TEST(HookCommand, DoesNotWaitForWhatItLeftBehind) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(run("sleep 30 & exit 0").ok);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);
}

}  // namespace
}  // namespace banyan::control
