#include "process/file_watch.h"

#include <sys/stat.h>

namespace banyan::process {
namespace {

// The times of files come from a clock that ticks some hundred times a second.
constexpr Duration kClockLag = std::chrono::milliseconds(20);

}  // namespace

FileWatch::FileWatch(event::Loop& loop, Callback on_change, Millis interval)
    : timer_(loop, Callback::to<&FileWatch::on_timer>(this)), interval_(interval), on_change_(on_change) {}

void FileWatch::watch(const std::vector<std::string>& paths, WallTime read) {
  std::map<std::string, File> before;
  before.swap(files_);
  for (const std::string& path : paths) {
    auto known = before.find(path);
    if (known != before.end()) {
      files_.insert(*known);
      continue;
    }
    const Seen now = look_at(path);
    files_.emplace(path, File{now.changed + kClockLag < read ? now.look : Look(), now.look});
  }
  if (files_.empty()) {
    timer_.stop();
  } else if (!timer_.running()) {
    timer_.start(interval_);
  }
}

void FileWatch::on_timer() {
  timer_.start(interval_);
  bool changed = false, settled = true;
  for (auto& [path, file] : files_) {
    const Look now = look_at(path).look;
    if (now != file.last) settled = false;
    file.last = now;
    if (now != file.told) changed = true;
  }
  if (!changed || !settled) return;
  for (auto& [path, file] : files_) file.told = file.last;
  on_change_();
}

FileWatch::Seen FileWatch::look_at(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return {};
  const auto changed =
      std::chrono::seconds(status.st_ctim.tv_sec) + std::chrono::nanoseconds(status.st_ctim.tv_nsec);
  return {{status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec},
          WallTime(changed)};
}

}  // namespace banyan::process
