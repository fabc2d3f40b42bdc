// Tells when files have changed: by looking at them every two seconds, which works on every file system and
// through every chain of symbolic links (Kubernetes replaces a link to a folder). A change is told when it
// has been the same for one more look, so that a certificate and its key are mostly replaced both.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/callback.h"
#include "base/clock.h"
#include "event/timer.h"

namespace banyan::process {

class FileWatch {
 public:
  static constexpr Millis kLook{2000};

  // `on_change` comes from the loop, which must outlive this. Watches nothing yet; looks each `interval`.
  FileWatch(event::Loop& loop, Callback on_change, Millis interval = kLook);

  // These from now on, which the caller began to read at that time: what has changed since is told, and what
  // has changed of those that were watched before.
  void watch(const std::vector<std::string>& paths, WallTime read);

 private:
  // What stat says of a file; all zero when it says nothing.
  struct Look {
    uint64_t device = 0, inode = 0;
    int64_t size = 0, seconds = 0, nanoseconds = 0;
    bool operator==(const Look&) const = default;
  };
  struct Seen {
    Look look;
    WallTime changed;  // also by a rename, which leaves the file's own time as it was
  };
  struct File {
    Look told;
    Look last;
  };

  void on_timer();
  static Seen look_at(const std::string& path);

  event::Timer timer_;
  Millis interval_;
  Callback on_change_;
  std::map<std::string, File> files_;
};

}  // namespace banyan::process
