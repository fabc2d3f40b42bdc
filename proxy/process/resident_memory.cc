#include "process/resident_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace banyan::process {

ResidentMemory::ResidentMemory() : statm_(open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {}

// proc(5): the second number is pages that are resident, the third those of them that have a file or are
// shared.
uint64_t ResidentMemory::bytes() const {
  char text[128];
  const ssize_t size = pread(statm_.get(), text, sizeof text, 0);
  if (size <= 0) return 0;
  uint64_t pages[3] = {};  // all, resident, shared
  const char* at = text;
  for (uint64_t& number : pages) at = std::from_chars(at, text + size, number).ptr + 1;
  return (pages[1] - std::min(pages[1], pages[2])) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace banyan::process
