// banyan.toml(5) in mdoc(7), from the tables: one subsection for each table, one list item for each key.

#include <fmt/format.h>

#include <algorithm>

#include "config/config.h"
#include "config/tables.h"

namespace banyan::config {
namespace {

constexpr size_t kLineWidth = 78;

// Characters that roff would take for its own.
std::string escaped(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c == '\\') {
      result += "\\e";
    } else if (c == '"') {
      result += "\\(dq";
    } else if (c == '~') {
      result += "\\(ti";
    } else if (c == '^') {
      result += "\\(ha";
    } else {
      result += c;
    }
  }
  return result;
}

// Text lines: one sentence each at least, filled up to the width, none beginning like a macro.
std::string prose(std::string_view text) {
  std::string result, line;
  const auto flush = [&] {
    if (line.empty()) return;
    result += (line[0] == '.' || line[0] == '\'' ? "\\&" : "") + line + "\n";
    line.clear();
  };
  while (!text.empty()) {
    const size_t blank = std::min(text.find(' '), text.size());
    const std::string word = escaped(text.substr(0, blank));
    text.remove_prefix(std::min(blank + 1, text.size()));
    if (line.size() + 1 + word.size() > kLineWidth) flush();
    line += (line.empty() ? "" : " ") + word;
    if (word.ends_with('.') || word.ends_with("?")) flush();
  }
  flush();
  return result;
}

struct Chapter {
  std::vector<std::string> titles;
  const AnySection* section;
};

std::string child_title(const std::string& parent, const Field& field) {
  const std::string path = parent.empty() ? field.key : fmt::format("{}.{}", parent, field.key);
  return field.shape == Shape::named ? path + ".NAME" : path;
}

std::string bracketed(const std::string& path, Shape shape) {
  if (shape == Shape::value) return path;
  return shape == Shape::tables ? fmt::format("[[{}]]", path) : fmt::format("[{}]", path);
}

// Depth first, in the order of the tables. A table that stands in two places is one chapter with two titles.
void collect(const AnySection& section, const std::string& path, std::vector<Chapter>& chapters) {
  for (const Field& field : section.fields()) {
    if (!field.section) continue;
    const std::string child = child_title(path, field);
    const std::string title = bracketed(child, path.empty() ? field.shape : Shape::value);
    auto found = std::find_if(chapters.begin(), chapters.end(),
                              [&](const Chapter& chapter) { return chapter.section == field.section; });
    if (found != chapters.end()) {
      found->titles.push_back(title);
      continue;
    }
    chapters.push_back({{title}, field.section});
    collect(*field.section, child, chapters);
  }
}

std::string item(const Field& field) {
  std::string text =
      fmt::format(".It Ic {} No = Ar \"{}\"\n{}", escaped(field.key), escaped(field.type), prose(field.doc));
  if (field.is_required) text += "Required.\n";
  if (!field.default_text.empty())
    text += fmt::format("Default:\n.Ql \"{}\" .\n", escaped(field.default_text));
  if (field.is_for_restart) text += "A change takes effect at the next start.\n";
  return text;
}

// What holds for the whole file.
std::string values_text() {
  return ".Ss Values\n" +
         prose(
             "The file is TOML. Durations are strings of numbers and units: \"250ms\", \"10s\", \"5m\", "
             "\"2h\", \"7d\", \"1h30m\". Sizes are bytes, as numbers or strings with a unit of 1024: 4096, "
             "\"64k\", \"10m\", \"1g\". Percentages are numbers from 0 to 100 with at most two decimals. "
             "Paths are relative to the file that says them.") +
         ".Pp\n" +
         prose(
             "In every string \"${NAME}\" is replaced by the environment variable NAME, which must be set; "
             "\"${NAME:-text}\" gives the text if it is not set or empty, and \"$${\" is a plain \"${\". "
             "Such a string may also stand for a number or a boolean. Secrets may be read from a file with { "
             "file = \"path\" }; a line break at its end does not count.") +
         ".Pp\n" +
         prose(
             "Where one key bounds another, as interval bounds the timeout of a probe, the default of one "
             "gives way to the other that is said. An unknown key is an error. All errors are reported at "
             "once, as \"file:line:column: key: message\". Banyan reads files and environment at start and "
             "at reload only.");
}

std::string chapter_text(const Chapter& chapter) {
  std::string text = fmt::format(".Ss {}\n{}", escaped(fmt::format("{}", fmt::join(chapter.titles, ", "))),
                                 prose(chapter.section->doc()));
  if (chapter.section->fields().empty()) return text + "It has no options.\n";
  text += ".Bl -tag -width Ds\n";
  for (const Field& field : chapter.section->fields()) text += item(field);
  return text + ".El\n";
}

}  // namespace

std::string manual(const LoadOptions& options) {
  std::vector<Chapter> chapters = {{{"Top of the file"}, &root_section()}};
  collect(root_section(), "", chapters);
  for (const AnySection* type : options.handler_types) {
    chapters.push_back({{fmt::format("[handler.NAME] type = \"{}\"", type->name())}, type});
    collect(*type, "handler.NAME", chapters);
  }
  std::string text = values_text();
  for (const Chapter& chapter : chapters) text += chapter_text(chapter);
  return text;
}

}  // namespace banyan::config
