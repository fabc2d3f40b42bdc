#include "shm/segment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace banyan::shm {
namespace {

constexpr uint64_t kFileSize = sizeof(Layout) + kTail;

Result<Layout*> map_shared(int fd) {
  void* memory = mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (memory == MAP_FAILED) return system_error("map the shared segment", errno);
  return static_cast<Layout*>(memory);
}

// Before anything is mapped: reading past the end of a short file would be a SIGBUS.
Result<void> check_size(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return system_error("inspect the shared segment", errno);
  if (static_cast<uint64_t>(status.st_size) < sizeof(Header))
    return proxy_error("not a shared segment of Banyan");
  Header header;
  if (pread(fd, static_cast<void*>(&header), sizeof(header), 0) != sizeof(header)) {
    return system_error("read the shared segment", errno);
  }
  if (header.magic != kMagic) return proxy_error("not a shared segment of Banyan");
  if (header.version != kVersion || header.size != sizeof(Layout) ||
      static_cast<uint64_t>(status.st_size) != kFileSize) {
    return proxy_error(
        fmt::format("the shared segment has layout {} of {} bytes, this program knows {} of {}",
                    header.version, header.size, kVersion, sizeof(Layout)));
  }
  return {};
}

}  // namespace

Result<Segment> Segment::create() {
  const int fd = memfd_create("banyan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return system_error("create the shared segment", errno);
  Segment segment(fd, nullptr);
  if (ftruncate(fd, static_cast<off_t>(kFileSize)) != 0)
    return system_error("size the shared segment", errno);
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return system_error("seal the shared segment", errno);
  }
  Result<Layout*> layout = map_shared(fd);
  if (!layout) return std::move(layout).error();
  segment.layout_ = *layout;
  Header& header = segment.layout_->header;
  header.size = sizeof(Layout);
  header.version = kVersion;
  header.magic = kMagic;
  return segment;
}

Result<Segment> Segment::map(int fd) {
  if (Result<void> checked = check_size(fd); !checked) return std::move(checked).error();
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return system_error("duplicate the shared segment", errno);
  Segment segment(own, nullptr);
  Result<Layout*> layout = map_shared(own);
  if (!layout) return std::move(layout).error();
  segment.layout_ = *layout;
  return segment;
}

Segment::Segment(Segment&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), layout_(std::exchange(other.layout_, nullptr)) {}

Segment& Segment::operator=(Segment&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(layout_, other.layout_);
  return *this;
}

Segment::~Segment() {
  if (layout_) munmap(layout_, sizeof(Layout));
  if (fd_ >= 0) close(fd_);
}

}  // namespace banyan::shm
