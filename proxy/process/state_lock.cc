#include "process/state_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace banyan::process {
namespace {

bool same_folder(int one, int other) {
  struct stat here {
  }, there{};
  if (fstat(one, &here) != 0 || fstat(other, &there) != 0) return false;
  return here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

}  // namespace

Result<Fd> lock_state(const std::string& folder, Fd handed) {
  Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return system_error("open state_dir " + folder, errno);
  if (handed && same_folder(fd.get(), handed.get())) return handed;
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) {
    return proxy_error("state_dir " + folder +
                       " is in use by another banyan with another run_dir; each instance needs its own");
  }
  LOG(warn, "state_dir {} cannot be locked ({}): nothing keeps a second banyan out of it", folder,
      std::strerror(errno));
  return fd;
}

}  // namespace banyan::process
