#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "admin/banyanctl_top_view.h"

namespace banyan::ctl {
namespace {

std::string metrics(int native, int errors, int slow) {
  std::ostringstream text;
  text << "# HELP banyan_http_requests_total Requests answered.\n"
          "banyan_http_requests_total{route=\"the \\\"api\\\"\",side=\"native\",method=\"GET\",code=\"200\"} "
       << native - errors
       << "\nbanyan_http_requests_total{route=\"the "
          "\\\"api\\\"\",side=\"native\",method=\"GET\",code=\"502\"} "
       << errors
       << "\nbanyan_http_requests_total{route=\"the "
          "\\\"api\\\"\",side=\"legacy\",method=\"GET\",code=\"200\"} 7\n"
          "banyan_http_requests_in_flight{route=\"the \\\"api\\\"\",side=\"native\"} 3\n";
  const std::string bucket =
      "banyan_http_request_duration_seconds_bucket{route=\"the \\\"api\\\"\",side=\"native\",le=\"";
  text << bucket << "0.1\"} " << native - slow << "\n"
       << bucket << "1\"} " << native << "\n"
       << bucket << "+Inf\"} " << native << "\nnonsense\nnonsense{\nnonsense{a=\"\n";
  return text.str();
}

constexpr const char* kRollouts = R"({"rollouts": [{"name": "content", "percent": 37.5, "state": "holding",
    "gate": {"verdict": "pass", "why": "fine"}}, {"name": "plain", "percent": 0, "state": "file"}, 7]})";
constexpr const char* kStatus = R"({"version": "1.0", "uptime_seconds": 65})";

TEST(Top, RatesErrorsAndQuantilesAreOfTheTimeBetweenTheLooks) {
  const TopCounts before = read_counts(metrics(1000, 50, 400));
  const TopCounts now = read_counts(metrics(1200, 70, 500));
  const auto json = nlohmann::json::parse(top_json(before, now, kRollouts, {.seconds = 2}));
  ASSERT_EQ(json["routes"].size(), 2u);
  const auto& legacy = json["routes"][0];
  EXPECT_EQ(legacy["side"], "legacy");
  EXPECT_EQ(legacy["requests_per_second"], 0);
  EXPECT_FALSE(legacy.contains("p50"));
  const auto& native = json["routes"][1];
  EXPECT_EQ(native["route"], "the \"api\"");
  EXPECT_DOUBLE_EQ(native["requests_per_second"], 100);
  EXPECT_DOUBLE_EQ(native["error_rate"], 0.1);
  EXPECT_EQ(native["in_flight"], 3);
  EXPECT_DOUBLE_EQ(native["p50"], 0.1);  // a hundred of two hundred were quick
  EXPECT_NEAR(native["p99"], 0.982, 1e-9);
  EXPECT_EQ(json["rollouts"].size(), 3u);
}

TEST(Top, FitsIntoAWindow) {
  const TopCounts counts = read_counts(metrics(1000, 50, 400));
  const std::string text = top_text({}, counts, kRollouts, kStatus, {.seconds = 1, .width = 40, .height = 6});
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_LE(line.size(), 40u) << line;
  EXPECT_EQ(count, 6);
  EXPECT_NE(text.find("banyan 1.0  1007 req/s  up 1m 5s"), std::string::npos) << text;
}

TEST(Top, TheUsualWindowShowsEverything) {
  const TopCounts counts = read_counts(metrics(1000, 50, 400));
  const std::string text = top_text({}, counts, kRollouts, kStatus, {.seconds = 1});
  for (const char* word :
       {"content", "37.5%", "holding", "pass", "plain", "native", "legacy", "5.0%", "1000"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word << '\n' << text;
  }
}

TEST(Top, SurvivesACounterThatBeganAnewAndAnythingElse) {
  const TopCounts before = read_counts(metrics(1000, 50, 400));
  const TopCounts now = read_counts(metrics(10, 1, 4));
  for (const char* rollouts : {"", "7", "{}", R"({"rollouts": {"a": 7}})", R"({"rollouts": [[], null]})"}) {
    EXPECT_NE(top_text(before, now, rollouts, "nonsense", {}).find("native"), std::string::npos);
    EXPECT_EQ(nlohmann::json::parse(top_json(before, now, rollouts, {}))["routes"][1]["requests_per_second"],
              0);
  }
  EXPECT_NE(top_text({}, {}, "", "", {}).find("no requests yet"), std::string::npos);
}

}  // namespace
}  // namespace banyan::ctl
