// Large parts of the segment for those who need them, such as caches of handlers: reserved by the master when
// it reads a configuration, mapped by the workers that use them. A region begins as zero bytes and keeps what
// it has over reloads, as long as its size is the same.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "shm/segment.h"

namespace banyan::shm {

// Owns one mapping of a region.
class Region {
 public:
  Region() = default;
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;
  ~Region();
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  friend Result<Region> map_region(const Segment&, Kind, uint32_t);
  explicit Region(std::span<std::byte> bytes) : bytes_(bytes) {}
  std::span<std::byte> bytes_;
};

// Makes sure that the owner (a name in the directory) has a region of that size, rounded up to pages. Another
// size than before gives another region; the memory of the one before the last goes back to the system, the
// last one may still be in use. True: the region is new, all zero. Master only. Error: too many or too large
// regions since the start.
Result<bool> reserve_region(Segment& segment, Kind kind, uint32_t number, uint64_t size);

// Maps the owner's region. Errors: none was reserved; the kernel refuses.
Result<Region> map_region(const Segment& segment, Kind kind, uint32_t number);

}  // namespace banyan::shm
