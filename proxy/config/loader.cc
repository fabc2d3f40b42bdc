// toml11 does the parsing; this file keeps it at arm's length. It gives the library only text that cannot
// hurt it (text_check.h), turns its values into Nodes with exact positions, reads numbers again (the library
// makes 0 of those that do not fit), puts the environment into strings, and words its error messages anew.

#include "config/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <sstream>
#include <toml.hpp>

#include "config/names.h"
#include "config/text_check.h"

namespace banyan::config {
namespace {

using TomlValue = toml::basic_value<toml::discard_comments>;

// Offsets of a text to lines and columns.
class Lines {
 public:
  Lines(std::string_view text, uint32_t file, int first_line)
      : text_(text), file_(file), first_line_(first_line) {
    for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
      starts_.push_back(at + 1);
    }
  }
  Position position(size_t offset) {
    const auto line = std::upper_bound(starts_.begin(), starts_.end(), offset) - 1;
    // Values are asked for one after the other: count on from the last, as lines may be long.
    if (offset < last_offset_ || *line > last_offset_) {
      last_offset_ = *line;
      last_column_ = 1;
    }
    for (; last_offset_ < std::min(offset, text_.size()); ++last_offset_) {
      last_column_ += (text_[last_offset_] & 0xc0) != 0x80;  // a character counts once, at its first byte
    }
    return {file_, first_line_ + static_cast<int>(line - starts_.begin()), last_column_};
  }
  // Offset of a byte column (from 0) in a line of the text (from 1).
  size_t offset(size_t line, size_t column) const {
    if (line == 0 || line > starts_.size()) return text_.size();
    return std::min(starts_[line - 1] + column, text_.size());
  }
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
  uint32_t file_;
  int first_line_;
  std::vector<size_t> starts_ = {0};
  size_t last_offset_ = 0;
  int last_column_ = 1;
};

// ---------------------------------------------------------------- syntax errors

struct Wording {
  std::string_view theirs;
  std::string_view ours;
};

// What the library says (a part of it), and what an operator reads.
constexpr Wording kWordings[] = {
    {"missing value after key-value separator", "a value is missing after \"=\""},
    {"missing key-value separator", "\"=\" is missing after the key"},
    {"the next token is not a valid multiline", "multi-line string is not closed, or has an unknown escape"},
    {"the next token is not a valid", "string is not closed on its line, or has an unknown escape"},
    {"unknown value appeared", "is not a value; strings need quotes"},
    {"invalid format for key", "\"=\" is missing after the key"},
    {"empty key is not allowed", "a key is missing before \"=\""},
    {"missing array separator", "\",\" or \"]\" is missing in the array"},
    {"value having invalid format appeared in an array",
     "array is not closed, or has something that is no value"},
    {"trailing comma is not allowed in an inline table", "no comma may stand before \"}\""},
    {"missing table separator", "\",\" or \"}\" is missing; a table in braces stands on one line"},
    {"array of tables (", "is a list of tables [[...]] elsewhere"},
    {"leading zero", "number must not begin with 0"},
    {"invalid utf8", "string is not UTF-8"},
};

// The place that a message of the library points to: its excerpts are " 12 | text" and below it "   |    ^---
// why" or
// "~~~". The last excerpt is the fault, those before it tell about earlier lines.
struct Excerpt {
  size_t line = 0;    // from 1; 0: none found
  size_t column = 0;  // bytes, from 0
};

std::vector<Excerpt> find_excerpts(const std::string& message) {
  std::vector<Excerpt> excerpts;
  std::istringstream stream(message);
  std::string text;
  size_t line = 0;
  size_t bar = 0;
  while (std::getline(stream, text)) {
    const size_t at = text.find(" | ");
    if (at == std::string::npos) continue;
    const std::string_view number = std::string_view(text).substr(0, at);
    const size_t digit = number.find_first_not_of(' ');
    if (line != 0 && digit == std::string_view::npos && at == bar) {
      const size_t mark = text.find_first_not_of(' ', at + 3);
      if (mark == std::string::npos || (text[mark] != '^' && text[mark] != '~')) continue;
      excerpts.push_back({line, mark - at - 3});
      line = 0;
    } else if (digit != std::string_view::npos) {
      std::from_chars(number.data() + digit, number.data() + number.size(), line);
      bar = at;
    }
  }
  return excerpts;
}

std::string reword(const std::string& message, const Excerpt* earlier, int line_offset,
                   std::string_view line_text) {
  const std::string head = message.substr(0, message.find('\n'));
  if (head.find("already exists") != std::string::npos) {
    const bool table = head.find(": table (") != std::string::npos;
    const std::string place = earlier ? fmt::format(" in line {}", earlier->line + line_offset) : "";
    return fmt::format("{} is already {}{}", table ? "this table" : "this key", table ? "there" : "set",
                       place);
  }
  if (head.find("invalid line format") != std::string::npos) {
    return "the line should have ended here; strings, durations and sizes need quotes";
  }
  if (head.find("an invalid key appeared") != std::string::npos) {
    const bool header = line_text.find_first_not_of(" \t") == line_text.find('[');
    return header ? "is not a table header such as [a.b] or [[a]]"
                  : "is not a key; keys are letters, digits, - and _, others need quotes, and a table in "
                    "braces stands "
                    "on one line";
  }
  for (const Wording& wording : kWordings) {
    if (head.find(wording.theirs) != std::string::npos) return std::string(wording.ours);
  }
  // "[error] toml::parse_x: what" without its first two words.
  const size_t colon = head.rfind(": ");
  return colon == std::string::npos ? "is not a value; strings need quotes" : head.substr(colon + 2);
}

void report_syntax_error(const std::string& message, Lines& lines, int first_line, Reader& reader) {
  const std::vector<Excerpt> excerpts = find_excerpts(message);
  const Excerpt fault = excerpts.empty() ? Excerpt{1, 0} : excerpts.back();
  const size_t start = lines.offset(fault.line, 0);
  const std::string_view line_text = lines.text().substr(start, lines.text().find('\n', start) - start);
  reader.report(Diagnostic::Severity::error, lines.position(lines.offset(fault.line, fault.column)), "",
                "syntax error: " + reword(message, excerpts.size() > 1 ? &excerpts.front() : nullptr,
                                          first_line - 1, line_text));
}

// ---------------------------------------------------------------- values

class Converter {
 public:
  Converter(Lines& lines, Reader& reader) : lines_(lines), reader_(reader) {}

  void convert(const TomlValue& from, Node& to, const std::string& path) {
    to.where = lines_.position(offset(from));
    switch (from.type()) {
      case toml::value_t::boolean:
        to.kind = Node::Kind::boolean;
        to.flag = from.as_boolean();
        break;
      case toml::value_t::integer:
        convert_integer(from, to, path);
        break;
      case toml::value_t::floating:
        convert_number(from, to, path);
        break;
      case toml::value_t::string:
        to.kind = Node::Kind::string;
        expand(from.as_string().str, to, path);
        break;
      case toml::value_t::array:
        to.kind = Node::Kind::array;
        for (const TomlValue& item : from.as_array()) {
          convert(item, to.items.emplace_back(), fmt::format("{}[{}]", path, to.items.size() - 1));
        }
        break;
      case toml::value_t::table:
        convert_table(from, to, path);
        break;
      default:
        to.kind = Node::Kind::time;
        break;
    }
  }

 private:
  // The text of a value in the file. The library's public location() counts lines from the beginning each
  // time, which is quadratic; the region knows the place itself.
  std::string_view source(const TomlValue& value) const {
    const auto* region = dynamic_cast<const toml::detail::region*>(toml::detail::get_region(value));
    if (!region) return lines_.text().substr(0, 0);
    return lines_.text().substr(static_cast<size_t>(region->first() - region->begin()), region->size());
  }
  size_t offset(const TomlValue& value) const {
    return static_cast<size_t>(source(value).data() - lines_.text().data());
  }

  void fault(Node& node, const std::string& path, std::string message) {
    node.broken = true;
    reader_.report(Diagnostic::Severity::error, node.where, path, std::move(message));
  }

  void convert_integer(const TomlValue& from, Node& to, const std::string& path) {
    std::string text(source(from));
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    std::string_view digits = text;
    int base = 10;
    if (digits.starts_with("0x") || digits.starts_with("0o") || digits.starts_with("0b")) {
      base = digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : 2;
      digits.remove_prefix(2);
    } else if (digits.starts_with('+')) {
      digits.remove_prefix(1);
    }
    to.kind = Node::Kind::integer;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), to.integer, base);
    if (error != std::errc()) fault(to, path, "number is too large");
  }

  void convert_number(const TomlValue& from, Node& to, const std::string& path) {
    std::string text(source(from));
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    to.kind = Node::Kind::number;
    to.number = std::strtod(text.c_str(), nullptr);
    if (!std::isfinite(to.number)) fault(to, path, "must be a finite number");
  }

  void convert_table(const TomlValue& from, Node& to, const std::string& path) {
    to.kind = Node::Kind::table;
    // In the order of the file, which the library does not keep.
    std::vector<std::pair<size_t, const TomlValue::table_type::value_type*>> sorted;
    for (const auto& entry : from.as_table())
      sorted.emplace_back(key_offset(entry.second, entry.first), &entry);
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
      return std::tie(a.first, a.second->first) < std::tie(b.first, b.second->first);
    });
    to.entries.resize(sorted.size());
    for (size_t i = 0; i < sorted.size(); ++i) {
      Entry& entry = to.entries[i];
      entry.key = sorted[i].second->first;
      entry.where = lines_.position(sorted[i].first);
      convert(sorted[i].second->second, entry.value, path.empty() ? entry.key : path + "." + entry.key);
    }
  }

  // Where the key of a value stands: left of the "=" that is left of the value. A table made by [a.b] or by a
  // dotted key is at its header or key already.
  size_t key_offset(const TomlValue& value, const std::string& key) const {
    const std::string_view text = lines_.text();
    const size_t begin = offset(value);
    const auto skip_blanks = [&](size_t at) {
      while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\t')) --at;
      return at;
    };
    size_t at = skip_blanks(begin);
    if (at == 0 || text[at - 1] != '=') return begin;
    at = skip_blanks(at - 1);
    if (at > 0 && (text[at - 1] == '"' || text[at - 1] == '\'')) {
      const size_t open = at >= 2 ? text.rfind(text[at - 1], at - 2) : std::string_view::npos;
      return open == std::string_view::npos ? begin : open;
    }
    return at >= key.size() ? at - key.size() : begin;
  }

  // "${NAME}" and "${NAME:-otherwise}"; "$${" is "${" itself.
  void expand(std::string_view text, Node& to, const std::string& path) {
    while (!text.empty()) {
      const size_t dollar = std::min(text.find('$'), text.size());
      to.string += text.substr(0, dollar);
      text.remove_prefix(dollar);
      if (text.starts_with("$${")) {
        to.string += "${";
        text.remove_prefix(3);
      } else if (text.starts_with("${")) {
        const size_t end = text.find('}');
        if (end == std::string_view::npos)
          return fault(to, path, "\"${\" is not closed; \"$${\" is a plain \"${\"");
        if (!expand_one(text.substr(2, end - 2), to, path)) return;
        text.remove_prefix(end + 1);
      } else if (!text.empty()) {
        to.string += '$';
        text.remove_prefix(1);
      }
    }
  }

  bool expand_one(std::string_view inside, Node& to, const std::string& path) {
    const size_t otherwise = inside.find(":-");
    const std::string name(inside.substr(0, otherwise));
    const bool good =
        !name.empty() && (name[0] < '0' || name[0] > '9') &&
        std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) || c == '_'; });
    if (!good) {
      fault(to, path,
            "\"${...}\" must have the name of an environment variable in it; \"$${\" is a plain \"${\"");
      return false;
    }
    to.from_environment = true;
    const std::optional<std::string> value = reader_.sources().environment(name);
    // As in a shell, ":-" also stands for an empty variable.
    if (otherwise != std::string_view::npos && (!value || value->empty())) {
      to.string += inside.substr(otherwise + 2);
    } else if (!value) {
      fault(to, path, fmt::format("environment variable {} is not set", name));
      return false;
    } else if (!is_text(*value)) {
      fault(to, path, fmt::format("environment variable {} is not UTF-8 text", name));
      return false;
    } else {
      to.string += *value;
    }
    return true;
  }

  static bool is_text(std::string_view text) {
    for (size_t length = 0; !text.empty(); text.remove_prefix(length)) {
      length = utf8_length(text);
      if (length == 0) return false;
    }
    return true;
  }

  Lines& lines_;
  Reader& reader_;
};

}  // namespace

bool parse_document(std::string_view text, uint32_t file, Reader& reader, Node& root, int first_line) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  Lines lines(text, file, first_line);
  if (std::optional<TextFault> fault = find_text_fault(text)) {
    reader.report(Diagnostic::Severity::error, lines.position(fault->offset), "", fault->message);
    return false;
  }
  try {
    // The library looks at the character after the last one, so there is always one more line break.
    std::istringstream stream(std::string(text) + "\n");
    const TomlValue value = toml::parse<toml::discard_comments>(stream, "configuration");
    Converter(lines, reader).convert(value, root, "");
    root.where = {file, first_line, 1};
    return true;
  } catch (const std::exception& error) {
    report_syntax_error(error.what(), lines, first_line, reader);
    return false;
  }
}

}  // namespace banyan::config
