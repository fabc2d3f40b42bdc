// From the command line's words to a Config: the main file, what it includes, the overrides, the tables, the
// checks.

#include "config/config.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "config/loader.h"
#include "config/tables.h"

namespace banyan::config {
namespace {

constexpr int kDeepestInclude = 10;

std::string current_directory() {
  char buffer[4096];
  return getcwd(buffer, sizeof buffer) ? buffer : "/";
}

// To tell whether two paths are the same, "a/../a/x" and "a/x". Not for opening: with symbolic links they may
// differ.
std::string plain_path(const std::string& path) { return std::filesystem::path(path).lexically_normal(); }

// One run: fills a root table from all files, then a Config from it.
class Run {
 public:
  Run(SourceAccess& access, const Sources& sources, const LoadOptions& options)
      : access_(access), sources_(sources), reader_(access, options) {}

  Loaded load() {
    Node root;
    Loaded loaded;
    if (!read_main(root)) reader_.set_incomplete();
    if (!read_overrides(root)) reader_.set_incomplete();
    fill(root, loaded.config);
    loaded.diagnostics = reader_.take_diagnostics();
    return loaded;
  }

  // Paths of the TOML files that were read, as the sources have them.
  const std::vector<std::string>& documents() const { return documents_; }

 private:
  bool read_main(Node& root) {
    const std::string path = join_path(sources_.directory, sources_.main);
    const uint32_t file = reader_.add_file(sources_.main, directory_of(path));
    root.where = {file, 1, 1};
    const SourceFile& source = access_.file(path);
    if (!source.error.empty()) {
      reader_.report(Diagnostic::Severity::error, {file, 1, 1}, "", "cannot read: " + source.error);
      return false;
    }
    opened_.insert(plain_path(path));
    documents_.push_back(path);
    return read_file(source.content, file, sources_.main, root, 0);
  }

  // `name` is the file's as shown in messages.
  bool read_file(const std::string& content, uint32_t file, const std::string& name, Node& root, int depth) {
    Node document;
    if (!parse_document(content, file, reader_, document)) return false;
    Node include;
    auto found = std::find_if(document.entries.begin(), document.entries.end(),
                              [](const Entry& entry) { return entry.key == "include"; });
    const bool includes = found != document.entries.end();
    if (includes) {
      include = std::move(found->value);
      document.entries.erase(found);
    }
    merge(std::move(document), root);
    return !includes || read_includes(Value(reader_, include, "include"), name, root, depth);
  }

  bool read_includes(const Value& include, const std::string& name, Node& root, int depth) {
    if (include.node().kind == Node::Kind::string) return read_include(include, name, root, depth);
    if (include.node().kind != Node::Kind::array) return include.wrong_type("a list of paths");
    bool good = true;
    for (size_t i = 0; i < include.node().items.size(); ++i) {
      good &= read_include(include.item(i), name, root, depth);
    }
    return good;
  }

  bool read_include(const Value& value, const std::string& name, Node& root, int depth) {
    const std::string* pattern = value.string("a path or pattern");
    if (!pattern) return false;
    if (pattern->empty()) return value.error("must not be empty");
    if (depth == kDeepestInclude) return value.error(fmt::format("is nested deeper than {} files", depth));
    const std::string absolute = reader_.absolute(value.node().where, *pattern);
    bool good = true;
    for (const std::string& path : access_.match(absolute)) {
      // As the includer was named, so are its files.
      const std::string shown = shown_name(path, absolute, *pattern, name);
      good &= read_included(value, path, shown, root, depth + 1);
    }
    return good;
  }

  static std::string shown_name(const std::string& path, const std::string& absolute,
                                const std::string& pattern, const std::string& includer) {
    const size_t base = absolute.size() - std::min(absolute.size(), pattern.size());
    if (pattern.starts_with('/') || path.compare(0, base, absolute, 0, base) != 0) return path;
    return join_path(directory_of(includer), path.substr(base));
  }

  bool read_included(const Value& value, const std::string& path, const std::string& name, Node& root,
                     int depth) {
    if (!opened_.insert(plain_path(path)).second) {
      return value.error(fmt::format("includes {} a second time", name));
    }
    const SourceFile& source = access_.file(path);
    if (!source.error.empty()) return value.error(fmt::format("cannot read {}: {}", path, source.error));
    documents_.push_back(path);
    return read_file(source.content, reader_.add_file(name, directory_of(path)), name, root, depth);
  }

  // Each override is a document of its own whose values replace those of the files.
  bool read_overrides(Node& root) {
    if (sources_.overrides.empty()) return true;
    const uint32_t file = reader_.add_file("-g", sources_.directory);
    bool good = true;
    int line = 1;
    for (const std::string& text : sources_.overrides) {
      Node document;
      if (parse_document(text, file, reader_, document, line)) {
        replace(std::move(document), root);
      } else {
        good = false;
      }
      line += 1 + static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    }
    return good;
  }

  // Joins the tables of a file with those that are there: sections key by key, lists of tables one after the
  // other. Below the sections nothing is joined, so that no table is put together from several files.
  void merge(Node from, Node& root) {
    for (Entry& entry : from.entries) {
      Entry* there = root.find(entry.key);
      if (!there) {
        root.entries.push_back(std::move(entry));
      } else if (entry.value.kind == Node::Kind::table && there->value.kind == Node::Kind::table) {
        for (Entry& inner : entry.value.entries) {
          if (const Entry* first = there->value.find(inner.key)) {
            report_twice(inner, *first, entry.key + "." + inner.key);
          } else {
            there->value.entries.push_back(std::move(inner));
          }
        }
      } else if (is_list_of_tables(entry.value) && is_list_of_tables(there->value)) {
        std::move(entry.value.items.begin(), entry.value.items.end(), std::back_inserter(there->value.items));
      } else {
        report_twice(entry, *there, entry.key);
      }
    }
  }

  static bool is_list_of_tables(const Node& node) {
    return node.kind == Node::Kind::array &&
           std::all_of(node.items.begin(), node.items.end(),
                       [](const Node& item) { return item.kind == Node::Kind::table; });
  }

  void report_twice(const Entry& entry, const Entry& first, std::string path) {
    reader_.report(Diagnostic::Severity::error, entry.where, std::move(path),
                   fmt::format("is already set in {}", reader_.where(first.where).text()));
  }

  static void replace(Node from, Node& to) {
    for (Entry& entry : from.entries) {
      Entry* there = to.find(entry.key);
      if (!there) {
        to.entries.push_back(std::move(entry));
      } else if (entry.value.kind == Node::Kind::table && there->value.kind == Node::Kind::table) {
        replace(std::move(entry.value), there->value);
      } else {
        *there = std::move(entry);
      }
    }
  }

  void fill(const Node& root, Config& config) {
    config.state_dir.insert(0, sources_.prefix);
    config.run_dir.insert(0, sources_.prefix);
    const Value value(reader_, root, "");
    root_section().read(value, &config);
    if (reader_.complete()) check(config, value);
  }

  SourceAccess& access_;
  const Sources& sources_;
  Reader reader_;
  std::set<std::string> opened_;
  std::vector<std::string> documents_;
};

}  // namespace

Sources read_sources(const SourceRequest& request, const LoadOptions& options) {
  constexpr std::string_view kDefaultFile = "/etc/banyan/banyan.toml";
  Sources sources;
  sources.directory = current_directory();
  if (!request.prefix.empty()) {
    sources.prefix = join_path(sources.directory, request.prefix);
    while (sources.prefix.ends_with('/')) sources.prefix.pop_back();
    sources.directory = sources.prefix.empty() ? "/" : sources.prefix;
  }
  sources.main = request.file.empty() ? sources.prefix + std::string(kDefaultFile) : request.file;
  sources.overrides = request.overrides;
  complete(sources, options);
  return sources;
}

void complete(Sources& sources, const LoadOptions& options) {
  CollectedSources access(sources);
  Run(access, sources, options).load();
}

Sources written_part(const Sources& sources, const LoadOptions& options) {
  StoredSources access(sources);
  Run run(access, sources, options);
  const Loaded loaded = run.load();
  std::vector<std::string> paths = run.documents();
  paths.push_back(loaded.config.lua.routes.path);
  Sources written = sources;
  written.environment.clear();
  std::erase_if(written.files, [&paths](const auto& file) {
    return std::find(paths.begin(), paths.end(), file.first) == paths.end();
  });
  return written;
}

Loaded parse(const Sources& sources, const LoadOptions& options) {
  StoredSources access(sources);
  return Run(access, sources, options).load();
}

}  // namespace banyan::config
