// A configuration as the processes hold it: where it came from, what it says, and its number.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/config.h"
#include "process/fd.h"

namespace banyan::process {

struct Configuration {
  uint32_t number = 0;  // of the history; one more for each reload that was tried
  WallTime read{};      // when the master began to read the sources
  config::Sources sources;
  config::Config config;
};

// What the loader must know of handlers and regular expressions.
const config::LoadOptions& load_options();

// The files of a configuration that are taken anew when they change: certificates, keys and what belongs to
// them. Absolute, each once.
std::vector<std::string> certificate_files(const config::Config& config);

// The sources as a sealed memfd: the same bytes for every child, which cannot change them.
Result<Fd> to_memfd(const config::Sources& sources);
// The other direction, in a child. Errors: foreign bytes, or a configuration that is refused after all.
Result<std::shared_ptr<const Configuration>> from_memfd(const Fd& fd, uint32_t number);

// Another descriptor of the same file, close-on-exec. REQUIRES: fd is open. Aborts when the process has no
// descriptor left.
Fd duplicate(const Fd& fd);

}  // namespace banyan::process
