// A folder inside state_dir that only the master's user can read or write, while state_dir itself belongs to
// the workers' user, who might put something else in its place. So the folder is opened once, looked at, and
// used by its descriptor; and no link is followed on the way to a file in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "process/fd.h"

namespace banyan::process {

class PrivateFolder {
 public:
  // Makes it with mode 0700 if it is not there. Errors: it cannot be made, is no folder, belongs to another
  // user, or others may write to it.
  static Result<PrivateFolder> open(const std::string& path);

  // Names of what is in it, in no order.
  std::vector<std::string> names() const;
  // All of a file that has at most `limit` bytes.
  Result<std::string> read(const std::string& name, size_t limit) const;
  // Replaces the file, mode 0600, synced: after any crash the old or the new one is there, whole.
  Result<void> write(const std::string& name, std::string_view content) const;
  // No-op when it is not there.
  void remove(const std::string& name) const;

 private:
  PrivateFolder(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Error failed(std::string_view doing, const std::string& name, int error_number) const;

  std::string path_;  // for messages
  Fd fd_;
};

}  // namespace banyan::process
