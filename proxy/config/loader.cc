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
#include "config/syntax_error.h"
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

void report_syntax_error(const std::string& message, Lines& lines, int first_line, Reader& reader) {
  const SyntaxFault fault = read_syntax_error(message, lines.text(), first_line);
  reader.report(Diagnostic::Severity::error, lines.position(lines.offset(fault.line, fault.column)), "",
                "syntax error: " + fault.message);
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
          const std::string item_path = fmt::format("{}[{}]", path, to.items.size());
          convert(item, to.items.emplace_back(), item_path);
        }
        break;
      case toml::value_t::table:
        convert_table(from, to, path);
        break;
      default:
        to.kind = Node::Kind::time;
        to.string = source(from);
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
