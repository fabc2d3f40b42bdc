// What a Format sees while it reads: one value, its path, and where to report.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/node.h"
#include "config/sources.h"

namespace banyan::config {

struct LoadOptions;

// The state of one run over a configuration: the files it may look into and the diagnostics so far.
class Reader {
 public:
  Reader(SourceAccess& sources, const LoadOptions& options) : sources_(sources), options_(options) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Names a configuration file: `name` for messages, `directory` (absolute) for the relative paths in it.
  uint32_t add_file(std::string name, std::string directory);
  Where where(Position position) const;
  // `path` as said at `position`, absolute.
  std::string absolute(Position position, std::string_view path) const;

  // Whether every file could be read. Otherwise what is missing may be in the rest, and nobody should
  // complain.
  bool complete() const { return complete_; }
  void set_incomplete() { complete_ = false; }

  void report(Diagnostic::Severity severity, Position position, std::string path, std::string message);
  bool has_errors() const;
  // In order of files, lines and columns. Leaves the reader without any.
  std::vector<Diagnostic> take_diagnostics();

  SourceAccess& sources() { return sources_; }
  const LoadOptions& options() const { return options_; }

 private:
  struct File {
    std::string name;
    std::string directory;
  };
  struct Report {
    Position position;
    Diagnostic diagnostic;
  };

  SourceAccess& sources_;
  const LoadOptions& options_;
  std::vector<File> files_;
  std::vector<Report> reports_;
  bool complete_ = true;
};

// One value on its way into a struct. Cheap to make; lives no longer than its node and reader.
class Value {
 public:
  Value(Reader& reader, const Node& node, std::string path)
      : reader_(&reader), node_(&node), path_(std::move(path)), position_(node.where) {}

  Reader& reader() const { return *reader_; }
  const Node& node() const { return *node_; }
  const std::string& path() const { return path_; }
  Where where() const { return reader_->where(position_); }

  // Reports against this value. error returns false, so that a read function can end with it.
  bool error(std::string message) const;
  void warn(std::string message) const;
  // "must be a size, found the boolean true"; quiet if the value is broken already. Returns false.
  bool wrong_type(std::string_view expected) const;

  // REQUIRES: an array, index in range. Path "listener[0]".
  Value item(size_t index) const;
  // A value of this table, path "log.error"; REQUIRES: the entry is in it.
  Value entry(const Entry& entry) const;
  // The same, but with the position of the key, for errors about the key itself.
  Value key(const Entry& entry) const;
  // The value under the key; if there is none (or this is no table), this table with the key's path: the
  // place to report what is wrong between keys.
  Value at(std::string_view name) const;
  bool has(std::string_view name) const { return node_->find(name) != nullptr; }

  // The string, if it is one; else reports that `expected` was expected.
  const std::string* string(std::string_view expected) const;

 private:
  std::string child_path(std::string_view key) const;

  Reader* reader_;
  const Node* node_;
  std::string path_;
  Position position_;
};

}  // namespace banyan::config
