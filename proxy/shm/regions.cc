#include "shm/regions.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace banyan::shm {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t round_up(uint64_t size) { return (size + kPage - 1) / kPage * kPage; }
constexpr uint64_t owner_of(Kind kind, uint32_t number) {
  return (uint64_t{1} + static_cast<uint8_t>(kind)) << 32 | number;
}

struct Entries {
  const RegionEntry* last = nullptr;
  const RegionEntry* before = nullptr;
  uint64_t end = round_up(sizeof(Layout));  // of all regions
};

Entries find_entries(const RegionTable& table, uint64_t owner) {
  Entries found;
  const uint32_t count = table.count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; ++i) {
    const RegionEntry& entry = table.entries[i];
    found.end = entry.offset.load(std::memory_order_relaxed) + entry.size.load(std::memory_order_relaxed);
    if (entry.owner.load(std::memory_order_relaxed) != owner) continue;
    found.before = found.last;
    found.last = &entry;
  }
  return found;
}

}  // namespace

Region::Region(Region&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

Region& Region::operator=(Region&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

Region::~Region() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

Result<bool> reserve_region(Segment& segment, Kind kind, uint32_t number, uint64_t size) {
  RegionTable& table = segment.layout().regions;
  const uint64_t owner = owner_of(kind, number);
  const Entries found = find_entries(table, owner);
  size = round_up(size);
  if (found.last && found.last->size.load(std::memory_order_relaxed) == size) return false;
  const uint32_t count = table.count.load(std::memory_order_relaxed);
  if (count == table.entries.size() || size > sizeof(Layout) + kTail - found.end) {
    return proxy_error("too many shared memory regions since the start; restart to begin anew");
  }
  if (found.before) {
    fallocate(segment.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              static_cast<off_t>(found.before->offset.load(std::memory_order_relaxed)),
              static_cast<off_t>(found.before->size.load(std::memory_order_relaxed)));
  }
  RegionEntry& entry = table.entries[count];
  entry.owner.store(owner, std::memory_order_relaxed);
  entry.offset.store(found.end, std::memory_order_relaxed);
  entry.size.store(size, std::memory_order_relaxed);
  table.count.store(count + 1, std::memory_order_release);
  return true;
}

Result<Region> map_region(const Segment& segment, Kind kind, uint32_t number) {
  const Entries found = find_entries(segment.layout().regions, owner_of(kind, number));
  if (!found.last) return proxy_error("no shared memory was reserved");
  const uint64_t size = found.last->size.load(std::memory_order_relaxed);
  const auto offset = static_cast<off_t>(found.last->offset.load(std::memory_order_relaxed));
  void* memory =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, segment.fd(), offset);
  if (memory == MAP_FAILED) return system_error("map a shared region", errno);
  madvise(memory, size, MADV_DONTDUMP);
  return Region({static_cast<std::byte*>(memory), size});
}

}  // namespace banyan::shm
