// Configurations for tests, read from files as the master reads them.
#pragma once

#include <memory>
#include <string>

#include "base/check.h"
#include "process/configuration.h"
#include "support/temporary_folder.h"

namespace banyan::process {

// What every configuration here begins with.
inline constexpr std::string_view kOneRoute = R"(
[[listener]]
address = "127.0.0.1:0"
[[route]]
path = "/*"
reply = { status = 200, body = "hi" }
)";

class ConfigurationFolder {
 public:
  void write(const std::string& name, std::string_view text) { folder_.write(name, text); }
  std::string path(const std::string& name) const { return folder_.file(name); }

  // Writes the main file and reads it. REQUIRES: it is correct.
  std::shared_ptr<const Configuration> read(std::string_view text, uint32_t number = 1) {
    write("banyan.toml", text);
    auto configuration = std::make_shared<Configuration>();
    configuration->number = number;
    configuration->sources = config::read_sources({.file = path("banyan.toml")}, load_options());
    config::Loaded loaded = config::parse(configuration->sources, load_options());
    if (!loaded.ok()) std::fputs(config::to_text(loaded.diagnostics).c_str(), stderr);
    CHECK(loaded.ok());
    configuration->config = std::move(loaded.config);
    return configuration;
  }

 private:
  testing::TemporaryFolder folder_;
};

}  // namespace banyan::process
