// Any text as a configuration: every complaint has a place, and what is content is printed and read back.
//
// What stands behind a NUL is a second file, part.toml, which the first may include or name.
#include <sstream>
#include <string>

#include "base/check.h"
#include "config/config.h"
#include "handlers/all_handlers.h"

namespace banyan::config {
namespace {

const LoadOptions& options() {
  static const LoadOptions made = [] {
    LoadOptions options;
    for (const handler::HandlerType& type : handlers::all_handlers())
      options.handler_types.push_back(&type.options);
    return options;
  }();
  return made;
}

// Without the places from which settings come.
std::string without_comments(const std::string& printed) {
  std::istringstream lines(printed);
  std::string rest;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#')) rest += line + "\n";
  }
  return rest;
}

void check(std::string_view text) {
  const std::string main = "/etc/banyan/banyan.toml", part = "/etc/banyan/part.toml";
  const size_t border = text.find('\0');
  Sources sources;
  sources.main = "banyan.toml";
  sources.directory = "/etc/banyan";
  sources.files[main].content = text.substr(0, border);
  sources.files[part].content = border == text.npos ? "" : text.substr(border + 1);
  for (const char* pattern : {"part.toml", "*.toml"})
    sources.patterns[join_path("/etc/banyan", pattern)] = {part};
  sources.environment["SET"] = "some \"text\"";
  sources.environment["UNSET"] = std::nullopt;

  const Loaded loaded = parse(sources, options());
  CHECK(loaded.ok() || !loaded.diagnostics.empty());
  for (const Diagnostic& diagnostic : loaded.diagnostics) {
    CHECK(!diagnostic.message.empty());
    CHECK(!diagnostic.where.file.empty() && diagnostic.where.line > 0 && diagnostic.where.column > 0);
    CHECK(diagnostic.text().find('\n') == std::string::npos);
  }
  if (!loaded.ok()) return;
  const std::string printed = print(loaded.config);
  sources.files[main].content = printed;
  const Loaded again = parse(sources, options());
  CHECK(again.ok());
  CHECK(without_comments(print(again.config)) == without_comments(printed));
}

}  // namespace
}  // namespace banyan::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size <= 32 * 1024) banyan::config::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
