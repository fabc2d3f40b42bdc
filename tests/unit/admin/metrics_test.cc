#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "http/head.h"
#include "lua/outcome.h"
#include "shm/counters.h"
#include "unit/admin/fake_backend.h"

namespace banyan::admin {
namespace {

using testing::AdminHouse;
using testing::FakeCall;
using namespace std::chrono_literals;

class MetricsTest : public ::testing::Test {
 protected:
  std::string page() {
    ApiHandler door(*house_.api, "the unix socket", {});
    FakeCall call(house_.loop, {.path = "/metrics"});
    call.open(door);
    EXPECT_TRUE(call.run());
    EXPECT_EQ(call.field("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    return call.body();
  }
  static bool has_line(const std::string& page, const std::string& line) {
    return ("\n" + page).find("\n" + line + "\n") != std::string::npos;
  }

  AdminHouse house_;
  shm::Counters counters_{house_.segment, shm::worker_slot(0)};
};

TEST_F(MetricsTest, CountersGaugesAndLabels) {
  counters_
      .counter(shm::Metric::http_requests, house_.route_number, shm::Side::native, http::Method::post, 200)
      .add(3);
  counters_.counter(shm::Metric::http_requests, 0, shm::Side::none, http::Method::other, 404).add();
  counters_.counter(shm::Metric::upstream_requests, house_.server_number, 502).add(2);
  counters_.counter(shm::Metric::http_requests_in_flight, house_.route_number, shm::Side::legacy).subtract();
  const std::string text = page();
  EXPECT_TRUE(has_line(text, "# TYPE banyan_http_requests_total counter")) << text;
  EXPECT_TRUE(has_line(
      text, R"(banyan_http_requests_total{route="batch",side="native",method="POST",code="200"} 3)"));
  EXPECT_TRUE(
      has_line(text, R"(banyan_http_requests_total{route="none",side="none",method="OTHER",code="404"} 1)"));
  EXPECT_TRUE(has_line(
      text, R"(banyan_upstream_requests_total{upstream="node",server="127.0.0.1:3000",code="502"} 2)"));
  EXPECT_TRUE(has_line(text, R"(banyan_http_requests_in_flight{route="batch",side="legacy"} -1)"));
  EXPECT_TRUE(has_line(text, "banyan_metrics_series_dropped_total 0"));
  EXPECT_TRUE(has_line(text, R"(banyan_rollout_percent{rollout="content"} 10)"));
  EXPECT_TRUE(has_line(text, R"(banyan_rollout_live{rollout="content"} 0)"));
  EXPECT_TRUE(has_line(text, R"(banyan_rollout_state{rollout="content",state="file"} 1)"));
  EXPECT_TRUE(has_line(text, R"(banyan_rollout_state{rollout="content",state="holding"} 0)"));
  EXPECT_TRUE(has_line(text, R"(banyan_upstream_server_up{upstream="node",server="127.0.0.1:3000"} 1)"));
  EXPECT_TRUE(has_line(text, R"(banyan_build_info{version="1.2.3"} 1)"));
  EXPECT_TRUE(has_line(text, R"(banyan_loop_lag_seconds{worker="0"} 0)"));
}

TEST_F(MetricsTest, HistogramsAreCumulative) {
  shm::Histogram histogram =
      counters_.histogram(shm::Metric::http_request_duration, house_.route_number, shm::Side::legacy);
  for (const auto duration : {1ms, 20ms, 20ms, 20000ms}) histogram.observe(duration);
  const std::string text = page();
  const std::string labels = R"(route="batch",side="legacy")";
  const std::string name = "banyan_http_request_duration_seconds";
  EXPECT_TRUE(has_line(text, name + "_bucket{" + labels + ",le=\"0.005\"} 1")) << text;
  EXPECT_TRUE(has_line(text, name + "_bucket{" + labels + ",le=\"0.025\"} 3"));
  EXPECT_TRUE(has_line(text, name + "_bucket{" + labels + ",le=\"10\"} 3"));
  EXPECT_TRUE(has_line(text, name + "_bucket{" + labels + ",le=\"+Inf\"} 4"));
  EXPECT_TRUE(has_line(text, name + "_count{" + labels + "} 4"));
  EXPECT_TRUE(has_line(text, name + "_sum{" + labels + "} 20.041"));
}

TEST_F(MetricsTest, NamesCannotBreakOutOfTheirLabels) {
  const uint32_t number = house_.directory.add(shm::Kind::route, "a\"b\\c\nd").value();
  counters_.counter(shm::Metric::http_requests, number, shm::Side::none, http::Method::get, 200).add();
  EXPECT_TRUE(has_line(
      page(), R"(banyan_http_requests_total{route="a\"b\\c\nd",side="none",method="GET",code="200"} 1)"));
}

// Every series of every row at once: valid lines, one type for each name, nothing twice.
TEST_F(MetricsTest, ThePageFollowsTheFormat) {
  for (const shm::MetricRow& row : shm::metric_rows()) {
    const uint64_t key = shm::series_key(row.id, row.labels.empty() ? 0 : 1);
    if (row.type == shm::MetricType::histogram) {
      counters_.histogram(key).observe(1ms);
    } else {
      counters_.counter(key).add();
    }
  }
  const std::regex sample(R"re(^(banyan_[a-z_]+)(\{([a-z_]+="([^"\\\n]|\\.)*",?)*\})? (-?[0-9.e+-]+)$)re");
  std::set<std::string> typed;
  std::set<std::string> series;
  std::istringstream lines(page());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(typed.insert(line.substr(7, line.find(' ', 7) - 7)).second) << line;
    }
    if (line.starts_with("#")) continue;
    std::smatch match;
    ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
    EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
    const std::string base = std::regex_replace(match[1].str(), std::regex("_(bucket|sum|count)$"), "");
    EXPECT_TRUE(typed.count(match[1]) || typed.count(base)) << line;
  }
  for (const shm::MetricRow& row : shm::metric_rows()) {
    EXPECT_TRUE(typed.count("banyan_" + std::string(row.name))) << row.name;
  }
}

TEST_F(MetricsTest, MethodsAreNumberedAsHttpNumbersThem) {
  const auto texts = shm::label_texts(shm::LabelValues::method);
  ASSERT_EQ(texts.size(), static_cast<size_t>(http::Method::other) + 1);
  for (size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(texts[i], http::method_name(static_cast<http::Method>(i)));
}

// Counters of Lua calls are made with the failure's own number.
TEST_F(MetricsTest, ResultsOfScriptsAreNumberedAsLuaNumbersThem) {
  using lua::Failure;
  using shm::LuaResult;
  const auto same = [](Failure failure, LuaResult result) {
    return static_cast<int>(failure) == static_cast<int>(result);
  };
  EXPECT_TRUE(same(Failure::none, LuaResult::ok));
  EXPECT_TRUE(same(Failure::runtime, LuaResult::runtime));
  EXPECT_TRUE(same(Failure::wall, LuaResult::wall));
  EXPECT_TRUE(same(Failure::instructions, LuaResult::instructions));
  EXPECT_TRUE(same(Failure::memory, LuaResult::memory));
  EXPECT_TRUE(same(Failure::bad_return, LuaResult::bad_return));
  EXPECT_TRUE(same(Failure::unknown_target, LuaResult::unknown_target));
  EXPECT_TRUE(same(Failure::set_aside, LuaResult::set_aside));
  EXPECT_EQ(shm::label_texts(shm::LabelValues::lua_result).size(), lua::kFailureCount);
}

}  // namespace
}  // namespace banyan::admin
