#include "process/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace banyan::process {
namespace {

using Action = CommandLine::Action;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<CommandLine> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "banyan");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

TEST(CommandLineTest, NothingMeansRun) {
  auto line = parse({});
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->action, Action::run);
  EXPECT_EQ(line->source.file, "");
  EXPECT_FALSE(line->quiet);
}

TEST(CommandLineTest, TakesFilePrefixAndOverrides) {
  auto line = parse({"-c", "a.toml", "-p", "/opt", "-g", "workers = 4", "-g", "user = \"x\""});
  ASSERT_TRUE(line.ok()) << line.error().message;
  EXPECT_EQ(line->source.file, "a.toml");
  EXPECT_EQ(line->source.prefix, "/opt");
  EXPECT_THAT(line->source.overrides, ElementsAre("workers = 4", "user = \"x\""));
}

TEST(CommandLineTest, OverridesWithBracketsAndCommasStayWhole) {
  auto line = parse({"-g", "trusted_proxies = [\"10.0.0.0/8\", \"unix:\"]"});
  ASSERT_TRUE(line.ok()) << line.error().message;
  EXPECT_THAT(line->source.overrides, ElementsAre("trusted_proxies = [\"10.0.0.0/8\", \"unix:\"]"));
}

TEST(CommandLineTest, FlagsMayBeJoined) {
  auto line = parse({"-tq", "-c", "a.toml"});
  ASSERT_TRUE(line.ok()) << line.error().message;
  EXPECT_EQ(line->action, Action::test);
  EXPECT_TRUE(line->quiet);
}

TEST(CommandLineTest, EachActionHasItsFlag) {
  EXPECT_EQ(parse({"-T"})->action, Action::print);
  EXPECT_EQ(parse({"-v"})->action, Action::version);
  EXPECT_EQ(parse({"-V"})->action, Action::build);
  EXPECT_EQ(parse({"-h"})->action, Action::help);
  EXPECT_EQ(parse({"--help"})->action, Action::help);
}

TEST(CommandLineTest, EachOrderHasItsWord) {
  for (Order order : {Order::stop, Order::quit, Order::reload, Order::reopen, Order::upgrade}) {
    auto line = parse({"-s", std::string(order_name(order)).c_str()});
    ASSERT_TRUE(line.ok());
    EXPECT_EQ(line->action, Action::order);
    EXPECT_EQ(line->order, order);
  }
}

TEST(CommandLineTest, WrongUseIsAnErrorThatNamesIt) {
  EXPECT_THAT(parse({"-s", "restart"}).error().message, HasSubstr("restart"));
  EXPECT_THAT(parse({"-x"}).error().message, HasSubstr("-x"));
  EXPECT_THAT(parse({"banyan.toml"}).error().message, HasSubstr("banyan.toml"));
  EXPECT_FALSE(parse({"-c"}).ok());
  EXPECT_FALSE(parse({"-t", "-T"}).ok());
  EXPECT_FALSE(parse({"-t", "-s", "stop"}).ok());
  EXPECT_FALSE(parse({"-c", "a", "-c", "b"}).ok());
}

TEST(CommandLineTest, UsageNamesEveryOption) {
  for (const char* option : {"-c", "-p", "-g", "-t", "-T", "-q", "-s", "-v", "-V"}) {
    EXPECT_THAT(usage(), HasSubstr(std::string("\n  ") + option)) << option;
  }
}

}  // namespace
}  // namespace banyan::process
