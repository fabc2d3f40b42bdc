#include "process/resident_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace banyan::process {

ResidentMemory::ResidentMemory() : statm_(open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {}

// proc(5): the second number is pages that are resident.
uint64_t ResidentMemory::bytes() const {
  char text[128];
  const ssize_t size = pread(statm_.get(), text, sizeof text, 0);
  if (size <= 0) return 0;
  std::string_view rest(text, static_cast<size_t>(size));
  rest.remove_prefix(std::min(rest.find(' ') + 1, rest.size()));
  uint64_t pages = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), pages);
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace banyan::process
