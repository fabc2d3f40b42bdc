// The log files of one process, by path, and the process's error log.
//
// The master opens the files (with its privileges) and hands the descriptors to the children, at start, at
// reload and when logs are to be opened again. Each process has its own buffers and its own writing thread,
// which starts with the first line: a hung disk then holds up no thread that handlers need.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "config/schema.h"
#include "event/thread_pool.h"
#include "process/log_file.h"

namespace banyan::process {

class LogFiles {
 public:
  // The loop must outlive it.
  explicit LogFiles(event::Loop& loop) : loop_(loop), writers_(loop, 1) {}
  // The error log goes to standard error again.
  ~LogFiles();
  LogFiles(const LogFiles&) = delete;
  LogFiles& operator=(const LogFiles&) = delete;

  // The paths that a configuration writes to ("off" is none of them), each once.
  static std::vector<std::string> paths(const config::Log& log);

  // A file's descriptor, new or opened again.
  void put(const std::string& path, Fd fd);
  // Null if the path was not put, or is "off".
  LogFile* find(const std::string& path);
  // The error log's lines go to its file and level from now on; files that the configuration does not name
  // are closed.
  void use(const config::Log& log);
  void flush();
  // Lines of all files that were lost since the last call.
  uint64_t take_lost();

 private:
  static void on_line(void* self, std::string_view line);

  event::Loop& loop_;
  event::ThreadPool writers_;
  std::map<std::string, std::unique_ptr<LogFile>> files_;
  LogFile* errors_ = nullptr;
};

}  // namespace banyan::process
