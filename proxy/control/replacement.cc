#include "control/replacement.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace banyan::control {
namespace {

std::string new_path(const std::string& path) { return path + ".new"; }

Error failed(std::string_view doing, const std::string& path) {
  return system_error(fmt::format("{} {}", doing, path), errno);
}

class File {
 public:
  File(const std::string& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

Result<void> write_synced(const std::string& path, std::string_view content) {
  File file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0640);
  if (!file.open()) return failed("write", path);
  if (Result<void> written = write_all(file.fd(), content); !written) return failed("write", path);
  if (fsync(file.fd()) != 0) return failed("sync", path);
  return {};
}

Result<void> sync_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  File file(folder, O_RDONLY | O_DIRECTORY);
  if (!file.open() || fsync(file.fd()) != 0) return failed("sync", folder);
  return {};
}

}  // namespace

Result<void> write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("write", errno);
    content.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Result<void> write_replacement(const std::string& path, std::string_view content) {
  Result<void> written = write_synced(new_path(path), content);
  if (!written) discard_replacement(path);
  return written;
}

Result<void> commit_replacement(const std::string& path) {
  if (std::rename(new_path(path).c_str(), path.c_str()) != 0) return failed("replace", path);
  return sync_folder_of(path);
}

void discard_replacement(const std::string& path) { unlink(new_path(path).c_str()); }

Result<std::string> read_whole(const std::string& path, size_t limit, bool& missing) {
  missing = false;
  File file(path, O_RDONLY);
  if (!file.open()) {
    missing = errno == ENOENT;
    return failed("read", path);
  }
  std::string content;
  for (;;) {
    const size_t size = content.size();
    content.resize(size + 64 * 1024);
    const ssize_t got = ::read(file.fd(), content.data() + size, content.size() - size);
    content.resize(size + static_cast<size_t>(got > 0 ? got : 0));
    if (got == 0) return content;
    if (got < 0 && errno != EINTR) return failed("read", path);
    if (content.size() > limit) return proxy_error(fmt::format("{} has more than {} bytes", path, limit));
  }
}

}  // namespace banyan::control
