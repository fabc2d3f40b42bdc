#include "process/check.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/log.h"
#include "control/rollout_book.h"
#include "process/descriptors.h"
#include "process/generation.h"
#include "process/inheritance.h"
#include "process/workplace.h"

namespace banyan::process {
namespace {

void build(const std::shared_ptr<Configuration>& configuration,
           std::vector<config::Diagnostic>& diagnostics) {
  auto report = [&diagnostics](const Error& error) { diagnostics.push_back({.message = error.message}); };
  auto segment = shm::Segment::create();
  if (!segment) return report(segment.error());
  shm::Directory directory(*segment);
  if (Result<void> named = add_names(configuration->config, directory); !named) return report(named.error());
  if (Result<void> reserved = reserve_memory(configuration->config, directory, *segment); !reserved) {
    return report(reserved.error());
  }
  Workplace workplace(*segment, shm::kControllerSlot);
  auto built = Generation::build(configuration, workplace.surroundings(), nullptr,
                                 {.strict = true, .run_tests = true});
  diagnostics.insert(diagnostics.end(), built.diagnostics.begin(), built.diagnostics.end());
  const config::Config& config = configuration->config;
  raise_file_limit();  // as the start does
  if (std::string line = connection_warning(config); !line.empty()) {
    diagnostics.push_back({.severity = config::Diagnostic::Severity::warning, .message = std::move(line)});
  }
  for (std::string& difference : control::live_differences(config.state_dir, config.rollouts)) {
    diagnostics.push_back(
        {.severity = config::Diagnostic::Severity::warning, .message = std::move(difference)});
  }
}

}  // namespace

int check_configuration(const CommandLine& line) {
  auto configuration = std::make_shared<Configuration>();
  configuration->sources = config::read_sources(line.source, load_options());
  config::Loaded loaded = config::parse(configuration->sources, load_options());
  configuration->config = std::move(loaded.config);
  std::vector<config::Diagnostic> diagnostics = std::move(loaded.diagnostics);
  const config::Config& config = configuration->config;
  log::set_level(log::Level::error);  // what is worth saying here is a diagnostic
  if (!config::has_errors(diagnostics)) build(configuration, diagnostics);
  for (config::Diagnostic& diagnostic : check_identity(config)) diagnostics.push_back(std::move(diagnostic));
  if (!config::has_errors(diagnostics)) {
    // Only a warning: who tests a configuration may be neither the user nor on the machine that it is for.
    if (auto logs = open_logs(config.log, {}, true); !logs) {
      diagnostics.push_back({.severity = config::Diagnostic::Severity::warning,
                             .path = "log",
                             .message = logs.error().message});
    }
  }
  bool fine = !config::has_errors(diagnostics);
  if (!line.quiet || !fine) std::fputs(config::to_text(diagnostics).c_str(), stderr);
  if (fine && line.action == CommandLine::Action::print) std::fputs(config::print(config).c_str(), stdout);
  const std::string& file = configuration->sources.main;
  if (!fine) {
    fmt::print(stderr, "banyan: configuration {} test failed\n", file);
  } else if (!line.quiet) {
    fmt::print(stderr, "banyan: configuration {} is fine, test successful\n", file);
  }
  return fine ? 0 : 1;
}

}  // namespace banyan::process
