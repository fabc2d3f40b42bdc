#include "process/pid_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>

namespace banyan::process {
namespace {

constexpr std::string_view kAside = ".oldbin";

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

bool try_lock(int fd) {
  struct flock lock = whole_file();
  return fcntl(fd, F_SETLK, &lock) == 0;
}

bool is_file_at(int fd, const std::string& path) {
  struct stat here {
  }, there{};
  if (fstat(fd, &here) != 0 || stat(path.c_str(), &there) != 0) return false;
  return here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

Result<pid_t> read_number(int fd, const std::string& path) {
  char text[32];
  ssize_t size = pread(fd, text, sizeof text, 0);
  if (size < 0) return system_error("read " + path, errno);
  pid_t pid = 0;
  auto [end, error] = std::from_chars(text, text + size, pid);
  if (error != std::errc() || pid <= 1) return proxy_error(path + ": there is no process number in it");
  return pid;
}

// The file as it is, locked: from here on nobody else can replace it.
Result<Fd> lock_existing(const std::string& path) {
  constexpr int kAttempts = 10;  // each one more than that is another master that started and ended meanwhile
  for (int i = 0; i < kAttempts; ++i) {
    Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd) return system_error("open " + path, errno);
    if (!try_lock(fd.get())) {
      auto pid = read_number(fd.get(), path);
      return proxy_error(pid ? fmt::format("another banyan runs with {} (process {})", path, *pid)
                             : fmt::format("another banyan is starting with {}", path));
    }
    if (is_file_at(fd.get(), path)) return fd;
  }
  return proxy_error(path + " keeps being replaced by others");
}

}  // namespace

Result<PidFile> PidFile::create(const std::string& path) {
  Result<Fd> old = lock_existing(path);
  if (!old) return std::move(old).error();
  std::string aside = fmt::format("{}.{}", path, getpid());
  Fd fd(open(aside.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return system_error("open " + aside, errno);
  std::string number = fmt::format("{}\n", getpid());
  bool written = write(fd.get(), number.data(), number.size()) == static_cast<ssize_t>(number.size());
  if (!written || !try_lock(fd.get()) || rename(aside.c_str(), path.c_str()) != 0) {
    int error = errno;
    unlink(aside.c_str());
    return system_error("write " + path, error);
  }
  return PidFile(path, std::move(fd));
}

Result<pid_t> PidFile::read(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return system_error("open " + path, errno);
  struct flock lock = whole_file();
  if (fcntl(fd.get(), F_GETLK, &lock) != 0) return system_error("lock of " + path, errno);
  if (lock.l_type == F_UNLCK) return proxy_error(path + ": its process does not run any more");
  return read_number(fd.get(), path);
}

Result<void> PidFile::step_aside() {
  std::string aside = path_ + std::string(kAside);
  if (rename(path_.c_str(), aside.c_str()) != 0) return system_error("rename " + path_, errno);
  path_ = std::move(aside);
  return {};
}

Result<void> PidFile::step_back() {
  std::string place = path_.substr(0, path_.size() - kAside.size());
  if (rename(path_.c_str(), place.c_str()) != 0) return system_error("rename " + path_, errno);
  path_ = std::move(place);
  return {};
}

void PidFile::remove() {
  if (fd_ && is_file_at(fd_.get(), path_)) unlink(path_.c_str());
  fd_.reset();
}

}  // namespace banyan::process
