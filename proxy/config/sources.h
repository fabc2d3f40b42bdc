// Everything outside of the program that a configuration is made of, as one value: the bytes of every file it
// names, the environment variables it uses, what its include patterns matched, the command line's overrides.
//
// The master collects them once; workers get the same bytes and parse the same configuration from them,
// without opening a file. What could not be read is recorded with the reason, so that both report the same
// errors.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace banyan::config {

// Content, or why there is none.
struct SourceFile {
  std::string content;
  std::string error;  // "No such file or directory"; empty: content is good
  bool operator==(const SourceFile&) const = default;
};

struct Sources {
  std::string main;                         // the main file as named on the command line, for messages
  std::string directory;                    // absolute: where relative paths of the command line begin
  std::string prefix;                       // -p, absolute or empty: stands before the default paths
  std::vector<std::string> overrides;       // -g, in order
  std::map<std::string, SourceFile> files;  // by absolute path
  std::map<std::string, std::vector<std::string>> patterns;  // include pattern → absolute paths, sorted
  std::map<std::string, std::optional<std::string>> environment;  // nullopt: not set
  bool operator==(const Sources&) const = default;

  // As bytes, and back. parse checks every length and reports what is wrong with foreign bytes.
  std::string serialize() const;
  static Result<Sources> parse(std::string_view bytes);
};

// How the loader looks at the outside.
class SourceAccess {
 public:
  virtual ~SourceAccess() = default;
  // The reference stays good as long as the SourceAccess.
  virtual const SourceFile& file(const std::string& path) = 0;
  virtual const std::vector<std::string>& match(const std::string& pattern) = 0;
  virtual std::optional<std::string> environment(const std::string& name) = 0;
};

// Looks into `sources` only; what is not there is an error. The sources must outlive it.
class StoredSources final : public SourceAccess {
 public:
  explicit StoredSources(const Sources& sources) : sources_(sources) {}
  const SourceFile& file(const std::string& path) override;
  const std::vector<std::string>& match(const std::string& pattern) override;
  std::optional<std::string> environment(const std::string& name) override;

 private:
  const Sources& sources_;
};

// Reads what `sources` does not have yet from the file system and the environment, and adds it.
// Only regular files, at most kLargestFile each.
class CollectedSources final : public SourceAccess {
 public:
  static constexpr size_t kLargestFile = 64 * 1024 * 1024;
  explicit CollectedSources(Sources& sources) : sources_(sources) {}
  const SourceFile& file(const std::string& path) override;
  const std::vector<std::string>& match(const std::string& pattern) override;
  std::optional<std::string> environment(const std::string& name) override;

 private:
  Sources& sources_;
};

// `path` if absolute, else below `directory`.
std::string join_path(std::string_view directory, std::string_view path);
// "/etc/banyan" of "/etc/banyan/banyan.toml"; "" of "banyan.toml".
std::string directory_of(std::string_view path);

}  // namespace banyan::config
