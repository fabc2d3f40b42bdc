#include "process/private_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "control/replacement.h"

namespace banyan::process {
namespace {

constexpr int kRead = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

bool is_ours(const struct stat& status) {
  return status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

Result<PrivateFolder> PrivateFolder::open(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_error("make " + path, errno);
  Fd fd(::open(path.c_str(), kRead | O_DIRECTORY));
  if (!fd) return system_error("open " + path, errno);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return system_error("look at " + path, errno);
  if (!is_ours(status)) {
    return proxy_error(path + ": belongs to another user, or others may write to it; it is not used");
  }
  return PrivateFolder(path, std::move(fd));
}

Error PrivateFolder::failed(std::string_view doing, const std::string& name, int error_number) const {
  return system_error(fmt::format("{} {}/{}", doing, path_, name), error_number);
}

std::vector<std::string> PrivateFolder::names() const {
  std::vector<std::string> names;
  // Another open folder: closedir() closes its descriptor, and two that share one share their place in it.
  Fd copy(openat(fd_.get(), ".", kRead | O_DIRECTORY));
  std::unique_ptr<DIR, int (*)(DIR*)> folder(copy ? fdopendir(copy.get()) : nullptr, closedir);
  if (!folder) return names;
  copy.release();
  while (const dirent* entry = readdir(folder.get())) names.emplace_back(entry->d_name);
  return names;
}

Result<std::string> PrivateFolder::read(const std::string& name, size_t limit) const {
  Fd fd(openat(fd_.get(), name.c_str(), kRead));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0) return failed("read", name, errno);
  if (!S_ISREG(status.st_mode) || static_cast<size_t>(status.st_size) > limit) {
    return proxy_error(fmt::format("{}/{}: is no file, or too large", path_, name));
  }
  std::string content(static_cast<size_t>(status.st_size), '\0');
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t got = ::read(fd.get(), content.data() + done, content.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", name, errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  content.resize(done);
  return content;
}

Result<void> PrivateFolder::write(const std::string& name, std::string_view content) const {
  const std::string fresh = name + ".new";
  remove(fresh);
  Fd fd(openat(fd_.get(), fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return failed("write", name, errno);
  if (Result<void> written = control::write_all(fd.get(), content); !written) {
    remove(fresh);
    return proxy_error(fmt::format("{}/{}: {}", path_, name, written.error().message));
  }
  const bool done = fsync(fd.get()) == 0 &&
                    renameat(fd_.get(), fresh.c_str(), fd_.get(), name.c_str()) == 0 && fsync(fd_.get()) == 0;
  if (done) return {};
  const int error_number = errno;
  remove(fresh);
  return failed("write", name, error_number);
}

void PrivateFolder::remove(const std::string& name) const { unlinkat(fd_.get(), name.c_str(), 0); }

}  // namespace banyan::process
