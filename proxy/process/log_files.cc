#include "process/log_files.h"

#include <algorithm>

#include "base/log.h"

namespace banyan::process {

LogFiles::~LogFiles() {
  if (errors_) log::set_sink(nullptr, nullptr);
}

std::vector<std::string> LogFiles::paths(const config::Log& log) {
  std::vector<std::string> paths;
  for (const std::string& path : {log.error.path, log.access.path}) {
    if (path != "off" && std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
  }
  return paths;
}

void LogFiles::put(const std::string& path, Fd fd) {
  auto& file = files_[path];
  if (file) {
    file->replace(std::move(fd));
  } else {
    file = std::make_unique<LogFile>(loop_, writers_, path, std::move(fd));
  }
}

LogFile* LogFiles::find(const std::string& path) {
  auto found = files_.find(path);
  return found == files_.end() ? nullptr : found->second.get();
}

void LogFiles::use(const config::Log& log) {
  errors_ = find(log.error.path);
  log::set_level(log.error.level);
  log::set_sink(errors_ ? &LogFiles::on_line : nullptr, errors_);
  auto named = paths(log);
  std::erase_if(files_, [&](const auto& entry) {
    return std::find(named.begin(), named.end(), entry.first) == named.end();
  });
}

void LogFiles::flush() {
  for (auto& [path, file] : files_) file->flush();
}

uint64_t LogFiles::take_lost() {
  uint64_t lost = 0;
  for (auto& [path, file] : files_) lost += file->take_lost();
  return lost;
}

// Every line of the error log is urgent: whoever watches it is looking for trouble, now.
void LogFiles::on_line(void* self, std::string_view line) { static_cast<LogFile*>(self)->write(line, true); }

}  // namespace banyan::process
