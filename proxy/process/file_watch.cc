#include "process/file_watch.h"

#include <sys/stat.h>

namespace banyan::process {

FileWatch::FileWatch(event::Loop& loop, Callback on_change, Millis interval)
    : timer_(loop, Callback::to<&FileWatch::on_timer>(this)), interval_(interval), on_change_(on_change) {}

void FileWatch::watch(const std::vector<std::string>& paths) {
  std::map<std::string, File> before;
  before.swap(files_);
  for (const std::string& path : paths) {
    auto known = before.find(path);
    const Look now = look_at(path);
    files_.emplace(path, known != before.end() ? known->second : File{now, now});
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
    const Look now = look_at(path);
    if (now != file.last) settled = false;
    file.last = now;
    if (now != file.told) changed = true;
  }
  if (!changed || !settled) return;
  for (auto& [path, file] : files_) file.told = file.last;
  on_change_();
}

FileWatch::Look FileWatch::look_at(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

}  // namespace banyan::process
