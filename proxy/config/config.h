// Loading a configuration, in two steps.
//
// read_sources() collects every file, pattern and environment variable that a configuration names; parse()
// makes the configuration from them, touching nothing else, so every process that has the same bytes has the
// same Config. print() and manual() are the way back: -T, and banyan.toml(5).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/schema.h"
#include "config/section.h"
#include "config/sources.h"

namespace banyan::config {

// What the loader must be told by higher ranks.
struct LoadOptions {
  // The tables of all handler types; name() is the word after `type =`.
  std::vector<const AnySection*> handler_types;
  // What is wrong with a regular expression, "" if nothing. Not set: not checked.
  std::function<std::string(std::string_view pattern)> check_regex;
  // Whether the system knows the time zone. Not set: not checked.
  std::function<bool(std::string_view name)> is_time_zone;
};

// Where to begin: the command line.
struct SourceRequest {
  std::string file;    // -c; empty: PREFIX/etc/banyan/banyan.toml. Relative to the prefix, if any.
  std::string prefix;  // -p: stands before all default paths
  std::vector<std::string> overrides;  // -g, each a piece of TOML: "workers = 4"
};

// Collects. Never fails: what cannot be read is recorded, and parse() reports it.
Sources read_sources(const SourceRequest& request, const LoadOptions& options);

struct Loaded {
  Config config;                        // to be used only if ok()
  std::vector<Diagnostic> diagnostics;  // all there are, in order of files, lines and columns
  bool ok() const { return !has_errors(diagnostics); }
};

// What somebody wrote, without what it refers to: the TOML files, the routing script, what include patterns
// matched and the overrides, but no environment, certificate, key or file with a secret. REQUIRES: parse() is
// content with the sources.
Sources written_part(const Sources& sources, const LoadOptions& options);
// Collects what the sources do not have yet; what they have stays. After written_part(): the environment,
// certificates and secrets as they are now.
void complete(Sources& sources, const LoadOptions& options);

// A pure function of its arguments. Hostile bytes give diagnostics.
Loaded parse(const Sources& sources, const LoadOptions& options);

// The whole configuration as TOML, defaults included, secrets, and header values that look like some, as
// "***". Read again it gives an equal Config but for secrets.
std::string print(const Config& config);

// Keys marked as needing a restart whose values differ, as paths: what a reload cannot change.
std::vector<std::string> restart_differences(const Config& running, const Config& next);

// The DESCRIPTION of banyan.toml(5) in mdoc: every table and key.
std::string manual(const LoadOptions& options);

}  // namespace banyan::config
