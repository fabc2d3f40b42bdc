// What is wrong with a configuration, and where: "banyan.toml:7:23: rollout.content.percent: must be 0 to
// 100".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/values.h"

namespace banyan::config {

struct Diagnostic {
  enum class Severity { error, warning };
  Severity severity = Severity::error;
  Where where;
  std::string path;  // of the key, "rollout.content.percent"; empty for the file as a whole
  std::string message;

  // "file:line:column: path: message"; a warning has "warning: " before its path.
  std::string text() const;
};

// True if any of them is an error: the configuration must not be used.
bool has_errors(const std::vector<Diagnostic>& diagnostics);

// One Diagnostic::text() a line, each with its newline.
std::string to_text(const std::vector<Diagnostic>& diagnostics);

// The candidate that `word` was probably meant to be (few letters wrong, left out, doubled or swapped, or
// another case); empty if none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

// "; did you mean balance?", or with no near candidate "; known are a, b, c" while the list is short, or
// nothing.
std::string suggestion(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace banyan::config
