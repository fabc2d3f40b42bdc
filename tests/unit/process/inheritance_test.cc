#include "process/inheritance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "configurations.h"
#include "net/ip_address.h"

namespace banyan::process {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string listener(const std::string& address) {
  return "[[listener]]\naddress = \"" + address + "\"\n[[route]]\npath = \"/*\"\nreply = { status = 204 }\n";
}

TEST(ListenSocketsTest, OnlyMissingOnesAreOpened) {
  ConfigurationFolder folder;
  auto first = folder.read(listener("127.0.0.1:0"));
  std::vector<config::Diagnostic> diagnostics;
  NamedFds sockets = open_missing_sockets(first->config, {}, diagnostics);
  EXPECT_THAT(sockets, SizeIs(1));
  int kept = sockets.begin()->second.get();
  std::string unix_address = "unix:" + folder.path("x.sock");
  auto second = folder.read("[[listener]]\naddress = \"" + unix_address + "\"\n" + listener("127.0.0.1:0"));
  NamedFds more = open_missing_sockets(second->config, sockets, diagnostics);
  EXPECT_THAT(diagnostics, IsEmpty());
  ASSERT_THAT(more, SizeIs(1));
  EXPECT_EQ(more.begin()->first, unix_address);
  sockets.merge(more);
  EXPECT_EQ(sockets.at("127.0.0.1:0").get(), kept);

  close_unnamed_sockets(first->config, sockets);
  EXPECT_THAT(sockets, SizeIs(1));
  EXPECT_NE(access(folder.path("x.sock").c_str(), F_OK), 0) << "its file is left over";
}

TEST(ListenSocketsTest, WhatCannotBeOpenedIsToldAtItsPlace) {
  ConfigurationFolder folder;
  auto first = folder.read(listener("127.0.0.1:0"));
  std::vector<config::Diagnostic> diagnostics;
  NamedFds sockets = open_missing_sockets(first->config, {}, diagnostics);
  auto bound = net::SocketAddress::of_bound(sockets.begin()->second.get());
  ASSERT_TRUE(bound.ok());
  auto second = folder.read("\n" + listener(bound->text()));
  open_missing_sockets(second->config, {}, diagnostics);
  ASSERT_THAT(diagnostics, SizeIs(1));
  EXPECT_THAT(diagnostics[0].text(), HasSubstr("banyan.toml:2:"));
  EXPECT_THAT(diagnostics[0].text(), HasSubstr(bound->text()));
  EXPECT_TRUE(config::has_errors(diagnostics));
}

TEST(AdminSocketsTest, TheSocketIsItsOwnersAlone) {
  ConfigurationFolder folder;
  config::Admin admin;
  admin.socket = folder.path("admin.sock");
  auto sockets = open_admin_sockets(admin, {});
  ASSERT_TRUE(sockets.ok()) << sockets.error().message;
  struct stat status {};
  ASSERT_EQ(stat(admin.socket.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(LogsTest, MissingOnesOrAllAgain) {
  ConfigurationFolder folder;
  config::Log log;
  log.error.path = folder.path("error.log");
  log.access.path = folder.path("access.log");
  Result<NamedFds> first = open_logs({.access = {}, .error = log.error}, {}, false);
  ASSERT_TRUE(first.ok());
  NamedFds have = std::move(*first);
  EXPECT_THAT(*open_logs(log, have, false), SizeIs(1));
  EXPECT_THAT(*open_logs(log, have, true), SizeIs(2));
  log.access.path = "/nonexistent/access.log";
  EXPECT_THAT(open_logs(log, have, false).error().message, HasSubstr("/nonexistent/access.log"));
}

TEST(NamesTest, EveryNameGetsItsNumber) {
  ConfigurationFolder folder;
  auto configuration = folder.read(R"(
[[listener]]
address = "127.0.0.1:0"
[upstream.node]
servers = ["127.0.0.1:1", "127.0.0.1:2"]
[handler.h]
type = "echo"
[rollout.r]
legacy = "upstream.node"
native = "handler.h"
[[route]]
path = "/*"
target = "rollout.r"
)");
  auto segment = shm::Segment::create();
  ASSERT_TRUE(segment.ok());
  shm::Directory directory(*segment);
  ASSERT_TRUE(add_names(configuration->config, directory).ok());
  ASSERT_TRUE(add_names(configuration->config, directory).ok());
  EXPECT_EQ(directory.count(shm::Kind::server), 2u);
  EXPECT_EQ(directory.find(shm::Kind::upstream, "node"), 1u);
  EXPECT_EQ(directory.find(shm::Kind::handler, "h"), 1u);
  EXPECT_EQ(directory.find(shm::Kind::rollout, "r"), 1u);
  EXPECT_EQ(directory.find(shm::Kind::route, configuration->config.routes[0].name), 1u);
  EXPECT_EQ(directory.find(shm::Kind::server, shm::server_name("node", "127.0.0.1:2")), 2u);
}

TEST(WorkersTest, AreAsManyAsSaidOrOneForEachCpu) {
  config::Config config;
  config.workers = 3;
  EXPECT_EQ(count_workers(config), 3u);
  config.workers = 0;
  EXPECT_GE(count_workers(config), 1u);
  config.workers = 1000;
  EXPECT_EQ(count_workers(config), shm::kWorkers);
}

}  // namespace
}  // namespace banyan::process
