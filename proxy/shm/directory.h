// Names of what a configuration has, as small numbers that stay the same over reloads.
//
// The master adds the names of a configuration at start and before each reload's PREPARE; nothing is ever
// removed, so counters and live percentages of something that was taken out and comes back are found again.
// All processes read.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/result.h"
#include "shm/segment.h"

namespace banyan::shm {

class Directory {
 public:
  static constexpr size_t kLongestName = 4096;

  // The segment must outlive this. Not for use by two threads at the same time.
  explicit Directory(Segment& segment);

  // The number of a name, from 1 on; new names get the next one. Master only. Errors: the directory is full,
  // or the name is empty or longer than kLongestName.
  Result<uint32_t> add(Kind kind, std::string_view name);

  // The number of a name, 0 if it was never added. Looks into the segment only for names not seen before.
  uint32_t find(Kind kind, std::string_view name);

  // The name of a number; empty for 0 and numbers not given yet. Valid as long as the segment is mapped.
  std::string_view name(Kind kind, uint32_t number) const;

  // Numbers given so far: 1 to count.
  uint32_t count(Kind kind) const;

 private:
  struct Known {
    std::unordered_map<std::string_view, uint32_t> numbers;  // views into the segment
    uint32_t upto = 0;
  };
  void refresh(Kind kind);

  DirectoryArea* area_;
  std::array<Known, kKinds> known_;
};

// The directory name of a server: a group's server is not the same as another group's at the same address.
std::string server_name(std::string_view upstream, std::string_view address);
// Its parts: upstream, address.
std::pair<std::string_view, std::string_view> split_server_name(std::string_view name);

std::string_view kind_name(Kind kind);  // "route"

}  // namespace banyan::shm
