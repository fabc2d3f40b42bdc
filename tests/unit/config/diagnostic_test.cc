#include "config/diagnostic.h"

#include <gtest/gtest.h>

namespace banyan::config {
namespace {

TEST(DiagnosticTest, HasTheFormOfCompilers) {
  const Diagnostic error{
      Diagnostic::Severity::error, {"banyan.toml", 7, 23}, "rollout.content.percent", "must be 0 to 100"};
  EXPECT_EQ(error.text(), "banyan.toml:7:23: rollout.content.percent: must be 0 to 100");
  const Diagnostic warning{Diagnostic::Severity::warning, {"a", 1, 1}, "", "is odd"};
  EXPECT_EQ(warning.text(), "a:1:1: warning: is odd");
  EXPECT_TRUE(has_errors({warning, error}));
  EXPECT_FALSE(has_errors({warning}));
  EXPECT_EQ(to_text({warning, warning}), "a:1:1: warning: is odd\na:1:1: warning: is odd\n");
}

TEST(NearestTest, FindsSlipsOfTheFinger) {
  const std::vector<std::string_view> keys = {"balance", "servers", "timeouts", "health", "to"};
  EXPECT_EQ(nearest("balence", keys), "balance");
  EXPECT_EQ(nearest("blaance", keys), "balance");
  EXPECT_EQ(nearest("BALANCE", keys), "balance");
  EXPECT_EQ(nearest("server", keys), "servers");
  EXPECT_EQ(nearest("timeout", keys), "timeouts");
  EXPECT_EQ(nearest("time", keys), "timeouts");
  EXPECT_EQ(nearest("heatlh", keys), "health");
  EXPECT_EQ(nearest("too", keys), "to");
}

TEST(NearestTest, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest("percent", {"balance", "to"}), "");
  EXPECT_EQ(nearest("x", {"to"}), "");
  EXPECT_EQ(nearest("", {"to"}), "");
  EXPECT_EQ(nearest(std::string(100'000, 'a'), {"aaaa"}), "");
}

TEST(SuggestionTest, ListsFewAndHidesMany) {
  EXPECT_EQ(suggestion("percent", {"balance", "to"}), "; known are balance, to");
  EXPECT_EQ(suggestion("percent", {"to"}), "; known is to");
  EXPECT_EQ(suggestion("percent", {}), "");
  EXPECT_EQ(suggestion("percent", std::vector<std::string_view>(17, "balance")), "");
  EXPECT_EQ(suggestion("balence", {"balance", "to"}), "; did you mean balance?");
}

}  // namespace
}  // namespace banyan::config
