// How a reload or another request to the master ended, and its form as a message's text: the first line "done" or
// "refused", then a line for each reason or warning.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banyan::process {

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
    bool first = true;
    while (!text.empty()) {
      size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      if (first) outcome.done = line == "done";
      if (!first && !line.empty()) outcome.lines.emplace_back(line);
      first = false;
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return outcome;
  }
};

}  // namespace banyan::process
