#include "config/syntax_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <vector>

namespace banyan::config {
namespace {

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

// The line with this number, from 1.
std::string_view line_of(std::string_view text, size_t number) {
  size_t start = 0;
  for (size_t line = 1; line < number; ++line) {
    const size_t end = text.find('\n', start);
    if (end == std::string_view::npos) return {};
    start = end + 1;
  }
  return text.substr(start, text.find('\n', start) - start);
}

}  // namespace

SyntaxFault read_syntax_error(const std::string& message, std::string_view text, int first_line) {
  const std::vector<Excerpt> excerpts = find_excerpts(message);
  const Excerpt fault = excerpts.empty() ? Excerpt{1, 0} : excerpts.back();
  const Excerpt* earlier = excerpts.size() > 1 ? &excerpts.front() : nullptr;
  return {fault.line, fault.column, reword(message, earlier, first_line - 1, line_of(text, fault.line))};
}

}  // namespace banyan::config
