#include <gtest/gtest.h>

#include "admin/banyanctl_client.h"
#include "admin/banyanctl_print.h"
#include "admin/banyanctl_table.h"

namespace banyan::ctl {
namespace {

TEST(Table, AlignsColumns) {
  Table table({"NAME", ">COUNT", "WHY"});
  table.add({"a", "1", ""});
  table.add({"größer", "12345", "x"});
  EXPECT_EQ(table.text(), "NAME    COUNT  WHY\na           1\ngrößer  12345  x\n");
}

TEST(Table, ATerminalIsNotCommanded) {
  Table table({"WHY"});
  table.add({"\x1b[2Jgone\n"});
  EXPECT_EQ(table.text(), "WHY\n?[2Jgone?\n");
}

TEST(Table, DurationsAreShort) {
  EXPECT_EQ(duration_text(6), "6s");
  EXPECT_EQ(duration_text(306), "5m 6s");
  EXPECT_EQ(duration_text(4 * 3600 + 300), "4h 5m");
  EXPECT_EQ(duration_text(76 * 3600), "3d 4h");
}

TEST(Encoded, LeavesNothingThatMeansSomething) {
  EXPECT_EQ(encoded("127.0.0.1:3000"), "127.0.0.1%3A3000");
  EXPECT_EQ(encoded("unix:/a b&c=d#?\xff"), "unix%3A%2Fa%20b%26c%3Dd%23%3F%FF");
}

TEST(Print, ShowsWhatTheServerSaid) {
  const std::string rollouts = print_rollouts(
      R"({"rollouts": [{"name": "content", "percent": 37.25, "state": "set", "file_percent": 10,
          "legacy": "upstream.node", "native": "handler.fast", "decisions": {"legacy": 5, "native": 3},
          "schedule": {"steps": 3, "taken": 1, "waits_for": "gate", "next_percent": 50},
          "gate": {"verdict": "hold"}}]})");
  EXPECT_NE(rollouts.find("content   37.25%  set    1 of 3  50% waits for the gate  hold     upstream.node"),
            std::string::npos)
      << rollouts;
  const std::string rollout = print_rollout(
      R"({"name": "content", "percent": 10, "state": "holding", "schedule": {"steps": 3, "taken": 1,
          "waits_for": "hold", "next_percent": 50, "next_at": "2026-03-09T00:00:00.000Z"}, "gate": {"why":
          "all is well"}, "window": {"seconds": 600, "diverted": 12,
          "native": {"requests": 5, "error_rate": 0.015, "p50": 0.0012, "p99": 0.1}}})");
  EXPECT_NE(rollout.find("next         50% at 2026-03-09T00:00:00.000Z\n"), std::string::npos) << rollout;
  EXPECT_NE(rollout.find("within       10m"), std::string::npos) << rollout;
  EXPECT_NE(rollout.find("diverted     12\n"), std::string::npos) << rollout;
  EXPECT_NE(rollout.find("native did   5 requests, 1.50% errors, p50 1.2ms, p99 100.0ms\n"),
            std::string::npos)
      << rollout;
  const std::string explained = print_explanation(
      R"({"method": "GET", "host": "h", "path": "/x", "route": "r", "side": "native", "bucket": 0, "lua": {"side": "native"}})");
  EXPECT_NE(explained.find("bucket       0\n"), std::string::npos) << explained;
  EXPECT_NE(explained.find("lua          side = native\n"), std::string::npos) << explained;
  EXPECT_EQ(explained.find("server"), std::string::npos) << explained;
}

TEST(Print, SurvivesAnythingAServerMaySend) {
  const Printer printers[] = {print_status,    print_rollouts,       print_rollout, print_changed_rollout,
                              print_upstreams, print_changed_server, print_routes,  print_handlers,
                              print_journal,   print_explanation,    print_reload,  print_config,
                              print_history,   print_confirmed};
  const char* const bodies[] = {
      "",
      "not json",
      "7",
      "[]",
      "{}",
      R"({"rollouts": 7, "processes": [7], "upstreams": [{"servers": [7]}], "routes": [7]})",
      R"({"routes": [{"redirect": 7}, {"reply": 7}], "handlers": [[]], "entries": [null]})",
      R"({"uptime_seconds": -1, "last_reload": [1], "warnings": [7], "lua": 7, "toml": 7})",
      R"({"name": 7, "schedule": [1], "gate": 7, "rollouts": [{"schedule": {"waits_for": 7}}]})",
      R"({"schedule": {"waits_for": {}, "next_at": []}, "window": {"native": {"error_rate": "x"}}})",
      R"({"processes": [{"loop_lag_seconds": "x"}], "decisions": 7, "sticky": {"a": 1}})"};
  for (const Printer print : printers) {
    for (const char* body : bodies) EXPECT_LT(print(body).size(), 1000u) << body;
  }
}

TEST(Ask, SaysThatNobodyListens) {
  Access access;
  access.socket = "/nonexistent/admin.sock";
  const Answer answer = ask(access, "GET", "/status");
  EXPECT_EQ(answer.code, kFailed);
  EXPECT_NE(answer.message.find("/nonexistent/admin.sock"), std::string::npos) << answer.message;
  EXPECT_NE(answer.message.find("is Banyan running?"), std::string::npos) << answer.message;
}

}  // namespace
}  // namespace banyan::ctl
