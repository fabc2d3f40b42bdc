// How a reload or another request to the master ended, and its form as a message's text: the first line
// "done" or "refused", then a line for each reason or warning.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace banyan::process {

// The lines of a text that are not empty, without their newlines.
inline std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

struct Outcome {
  bool done = false;
  std::vector<std::string> lines;  // without newline: why not, or what is to be known besides

  std::string text() const {
    std::string text = done ? "done\n" : "refused\n";
    for (const std::string& line : lines) text += line + "\n";
    return text;
  }

  // Of any text; lines that are not there are none.
  static Outcome parse(std::string_view text) {
    Outcome outcome;
    outcome.lines = split_lines(text);
    if (outcome.lines.empty()) return outcome;
    outcome.done = outcome.lines.front() == "done";
    outcome.lines.erase(outcome.lines.begin());
    return outcome;
  }
};

}  // namespace banyan::process
