// A parsed configuration file: TOML as a tree that knows where everything stands, free of the parser library.
// Keys keep the order of the file. Strings are final: "${NAME}" has been replaced.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace banyan::config {

// A place in one of the files that were read; Reader knows their names.
struct Position {
  uint32_t file = 0;
  int line = 0;
  int column = 0;  // from 1, in characters
};

struct Entry;

struct Node {
  enum class Kind { boolean, integer, number, string, time, array, table };
  Kind kind = Kind::table;
  Position where;
  bool flag = false;
  int64_t integer = 0;
  double number = 0;
  std::string string;  // of a string; of a time, as it is written
  // The string has parts that came from the environment, so it may stand for a number or a boolean.
  bool from_environment = false;
  // An error was reported for this value: it stands in no further one.
  bool broken = false;
  std::vector<Node> items;     // of an array
  std::vector<Entry> entries;  // of a table

  // The entry of a table, or null.
  const Entry* find(std::string_view key) const;
  Entry* find(std::string_view key);
  // For messages: "the string \"x\"", "the integer 10", "an array".
  std::string describe() const;
};

struct Entry {
  std::string key;
  Position where;  // of the key
  Node value;
};

}  // namespace banyan::config
