#include "config/sources.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "support/temporary_folder.h"
#include "unit/config/sample_handlers.h"

namespace banyan::config {
namespace {

namespace fs = std::filesystem;

Sources sample() {
  Sources sources;
  sources.main = "banyan.toml";
  sources.directory = "/etc";
  sources.prefix = "/opt";
  sources.overrides = {"workers = 2", std::string("a\0b", 3)};
  sources.files["/etc/banyan.toml"] = {"workers = 1\n", ""};
  sources.files["/etc/none"] = {"", "No such file or directory"};
  sources.patterns["/etc/*.toml"] = {"/etc/a.toml", "/etc/b.toml"};
  sources.patterns["/none/*"] = {};
  sources.environment["SET"] = "value";
  sources.environment["EMPTY"] = "";
  sources.environment["UNSET"] = std::nullopt;
  return sources;
}

TEST(SourcesTest, ComeBackFromBytes) {
  Result<Sources> back = Sources::parse(sample().serialize());
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, sample());
  EXPECT_EQ(*Sources::parse(Sources().serialize()), Sources());
}

TEST(SourcesTest, RefuseForeignBytes) {
  const std::string bytes = sample().serialize();
  EXPECT_FALSE(Sources::parse(""));
  EXPECT_FALSE(Sources::parse("hello"));
  EXPECT_FALSE(Sources::parse(bytes + "x"));
  for (size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(Sources::parse(bytes.substr(0, size))) << size;
}

TEST(SourcesTest, SurviveAnyByteBeingWrong) {
  const std::string bytes = sample().serialize();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (char wrong : {'\0', '\x7f', '\xff'}) {
      std::string changed = bytes;
      changed[i] = wrong;
      Result<Sources> parsed = Sources::parse(changed);
      if (parsed) {
        EXPECT_TRUE(Sources::parse(parsed->serialize()));
      }
    }
  }
}

TEST(SourcesTest, JoinsPaths) {
  EXPECT_EQ(join_path("/etc", "x"), "/etc/x");
  EXPECT_EQ(join_path("/etc/", "x"), "/etc/x");
  EXPECT_EQ(join_path("/", "x"), "/x");
  EXPECT_EQ(join_path("/etc", "./x"), "/etc/x");
  EXPECT_EQ(join_path("/etc", "../x"), "/etc/../x");
  EXPECT_EQ(join_path("/etc", "/x"), "/x");
  EXPECT_EQ(join_path("", "x"), "x");
  EXPECT_EQ(directory_of("/etc/banyan.toml"), "/etc");
  EXPECT_EQ(directory_of("/banyan.toml"), "/");
  EXPECT_EQ(directory_of("banyan.toml"), "");
}

class CollectedSourcesTest : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) { return files_.write(name, text); }
  testing::TemporaryFolder files_;
  const fs::path folder_ = files_.path();
};

TEST_F(CollectedSourcesTest, ReadEachFileOnce) {
  const std::string path = write("a", "one");
  Sources sources;
  CollectedSources access(sources);
  EXPECT_EQ(access.file(path).content, "one");
  write("a", "two");
  EXPECT_EQ(access.file(path).content, "one");
  EXPECT_EQ(StoredSources(sources).file(path).content, "one");
}

TEST_F(CollectedSourcesTest, RecordWhyAFileCannotBeRead) {
  Sources sources;
  CollectedSources access(sources);
  EXPECT_EQ(access.file(folder_ / "none").error, "No such file or directory");
  EXPECT_EQ(access.file(folder_).error, "Is a directory");
  EXPECT_EQ(access.file("/dev/null").error, "Is not a regular file");
  const std::string fifo = folder_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(access.file(fifo).error, "Is not a regular file");
  EXPECT_EQ(access.file(folder_.string() + std::string("/a\0b", 4)).error, "path has a NUL in it");
  EXPECT_NE(StoredSources(sources).file("/never/asked").error, "");
}

TEST_F(CollectedSourcesTest, MatchInOrder) {
  write("b.toml", "");
  write("a.toml", "");
  write("c.txt", "");
  Sources sources;
  CollectedSources access(sources);
  const std::string folder = folder_;
  EXPECT_EQ(access.match(folder + "/*.toml"),
            (std::vector<std::string>{folder + "/a.toml", folder + "/b.toml"}));
  EXPECT_EQ(access.match(folder + "/*.lua"), std::vector<std::string>{});
  EXPECT_EQ(access.match(folder + "/none.toml"), std::vector<std::string>{folder + "/none.toml"});
  EXPECT_EQ(StoredSources(sources).match(folder + "/*.toml").size(), 2u);
}

TEST_F(CollectedSourcesTest, PrefixStandsBeforeTheDefaults) {
  write("etc/banyan/banyan.toml", complete(""));
  SourceRequest request;
  request.prefix = folder_.string() + "/";
  request.overrides = {"log.access = { path = \"logs/a.log\" }"};
  const Loaded loaded = parse(read_sources(request, sample_options()), sample_options());
  EXPECT_TRUE(loaded.ok()) << to_text(loaded.diagnostics);
  EXPECT_EQ(loaded.config.state_dir, folder_.string() + "/var/lib/banyan");
  EXPECT_EQ(loaded.config.run_dir, folder_.string() + "/run/banyan");
  EXPECT_EQ(loaded.config.admin.socket, folder_.string() + "/run/banyan/admin.sock");
  EXPECT_EQ(loaded.config.pid_path(), folder_.string() + "/run/banyan/banyan.pid");
  EXPECT_EQ(loaded.config.log.access.path, folder_.string() + "/logs/a.log");
}

TEST_F(CollectedSourcesTest, PathsAreRelativeToTheFileThatNamesThem) {
  write("a/banyan.toml", complete("include = [\"../b/x.toml\"]\nstate_dir = \"state\"\n"));
  write("b/x.toml", "[lua]\nroutes = \"scripts/r.lua\"\n[log]\nerror = { path = \"e.log\" }\n");
  write("b/scripts/r.lua", "return {}");
  SourceRequest request;
  request.file = folder_ / "a/banyan.toml";
  const Loaded loaded = parse(read_sources(request, sample_options()), sample_options());
  EXPECT_TRUE(loaded.ok()) << to_text(loaded.diagnostics);
  EXPECT_EQ(loaded.config.state_dir, folder_.string() + "/a/state");
  EXPECT_EQ(loaded.config.log.error.path, folder_.string() + "/a/../b/e.log");
  EXPECT_EQ(loaded.config.lua.routes.content, "return {}");
}

TEST_F(CollectedSourcesTest, MissingMainFileIsADiagnostic) {
  SourceRequest request;
  request.file = folder_ / "none.toml";
  const Loaded loaded = parse(read_sources(request, sample_options()), sample_options());
  EXPECT_EQ(to_text(loaded.diagnostics), request.file + ":1:1: cannot read: No such file or directory\n");
}

}  // namespace
}  // namespace banyan::config
