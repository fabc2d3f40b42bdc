// Columns for people.
#pragma once

#include <string>
#include <vector>

namespace banyan::ctl {

// Columns as wide as their widest cell, two blanks between them, numbers on the right. Characters that a
// terminal would obey are shown as '?'.
class Table {
 public:
  // A title that begins with '>' makes a column whose cells stand on the right.
  explicit Table(const std::vector<std::string>& titles);
  // REQUIRES: as many cells as titles.
  void add(std::vector<std::string> cells);
  size_t size() const { return rows_.size() - 1; }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the first one is the titles
  std::vector<bool> right_;
};

// "3d 4h", "4h 5m", "5m 6s", "6s".
std::string duration_text(uint64_t seconds);

// Without what a terminal would obey.
std::string harmless(std::string text);

}  // namespace banyan::ctl
