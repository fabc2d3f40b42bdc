// Every tests/golden/NAME.toml is loaded as -t would load it: NAME.expected has its diagnostics (none: no
// file), NAME.printed what -T prints (only for right ones), NAME.overrides one -g a line. With
// BANYAN_UPDATE_GOLDEN in the environment the files are written instead; read the difference before
// committing it.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/source_root.h"
#include "unit/config/sample_handlers.h"

namespace banyan::config {
namespace {

namespace fs = std::filesystem;

fs::path golden_folder() {
  static const fs::path folder = support::source_root() / "tests/golden";
  return folder;
}

std::string content_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(golden_folder())) {
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The folder's own place is no part of what is expected.
std::string without_folder(std::string text) {
  const std::string folder = fs::canonical(golden_folder());
  for (size_t at = text.find(folder); at != std::string::npos; at = text.find(folder, at)) {
    text.replace(at, folder.size(), "/etc/banyan");
  }
  return text;
}

void compare(const fs::path& path, const std::string& text) {
  if (!getenv("BANYAN_UPDATE_GOLDEN")) {
    EXPECT_EQ(content_of(path), text) << "see " << path;
  } else if (text.empty()) {
    fs::remove(path);
  } else {
    std::ofstream(path, std::ios::binary) << text;
  }
}

class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    setenv("BANYAN_ADMIN_TOKEN", "only-for-tests", 1);
    setenv("BANYAN_TEST_WORKERS", "3", 1);
    setenv("BANYAN_TEST_EMPTY", "", 1);
    setenv("BANYAN_TEST_BYTES", "\xff\xfe", 1);
    unsetenv("BANYAN_TEST_UNSET");
    before_ = fs::current_path();
    fs::current_path(golden_folder());
  }
  void TearDown() override { fs::current_path(before_); }

  SourceRequest request() const {
    SourceRequest request;
    request.file = GetParam() + ".toml";
    std::istringstream lines(content_of(GetParam() + ".overrides"));
    for (std::string line; std::getline(lines, line);) request.overrides.push_back(line);
    return request;
  }

 private:
  fs::path before_;
};

TEST_P(GoldenTest, GivesWhatIsExpected) {
  const Sources sources = read_sources(request(), sample_options());
  const Loaded loaded = parse(sources, sample_options());
  compare(GetParam() + ".expected", without_folder(to_text(loaded.diagnostics)));
  compare(GetParam() + ".printed", loaded.ok() ? without_folder(print(loaded.config)) : "");
  EXPECT_TRUE(!loaded.diagnostics.empty() || loaded.ok());

  // A worker gets the same from the bytes, and has no file to look into.
  fs::current_path("/");
  Result<Sources> copy = Sources::parse(sources.serialize());
  ASSERT_TRUE(copy);
  EXPECT_EQ(*copy, sources);
  const Loaded again = parse(*copy, sample_options());
  EXPECT_EQ(to_text(again.diagnostics), to_text(loaded.diagnostics));
  EXPECT_EQ(again.config, loaded.config);
}

Config without_secrets(Config config) {
  if (!config.admin.token.empty()) config.admin.token.value = "***";
  for (HandlerEntry& handler : config.handlers) {
    if (handler.options.section() != &fetch_section()) continue;
    FetchOptions options = handler.options.as<FetchOptions>();
    if (!options.secret_key.empty()) options.secret_key.value = "***";
    handler.options = Options(fetch_section(), std::make_shared<FetchOptions>(options));
  }
  return config;
}

TEST_P(GoldenTest, PrintReadsBackAsTheSame) {
  Sources sources = read_sources(request(), sample_options());
  const Loaded loaded = parse(sources, sample_options());
  if (!loaded.ok()) return;
  const std::string printed = print(loaded.config);
  const std::string main = join_path(sources.directory, sources.main);
  sources.files[main].content = printed;
  sources.overrides.clear();
  const Loaded again = parse(sources, sample_options());
  EXPECT_TRUE(again.ok()) << to_text(again.diagnostics) << printed;
  EXPECT_EQ(again.config, without_secrets(loaded.config));
  const auto warnings = [](const Loaded& loaded) { return loaded.diagnostics.size(); };
  EXPECT_EQ(warnings(again), warnings(loaded));
}

INSTANTIATE_TEST_SUITE_P(Configurations, GoldenTest, testing::ValuesIn(golden_names()), [](const auto& info) {
  std::string name = info.param;
  for (char& c : name) c = isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

}  // namespace
}  // namespace banyan::config
