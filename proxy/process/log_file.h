// One log file, written off the loop. Lines are collected and handed to a thread when 64 KiB are full, after
// a second, or at once if they are urgent; a disk that hangs costs lines (counted, and reported when it is
// back), never memory or the loop's time. Descriptors are opened by the master with O_APPEND: whole lines of
// several processes interleave.
#pragma once

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/result.h"
#include "event/deferred.h"
#include "event/thread_pool.h"
#include "event/timer.h"
#include "process/fd.h"

namespace banyan::process {

// Opens `path` for appending, making it if it is not there (0644, as nginx does); "stdout" and "stderr" give
// a copy of the process's own. A FIFO must have a reader.
Result<Fd> open_log(const std::string& path);

class LogFile {
 public:
  static constexpr size_t kFull = 64 * 1024;
  static constexpr size_t kMostPending = 4 * 1024 * 1024;
  static constexpr Duration kLongestWait = std::chrono::seconds(1);

  // `writers` does the writing; one thread keeps the lines in order. Loop and pool must outlive the file.
  LogFile(event::Loop& loop, event::ThreadPool& writers, std::string path, Fd fd);
  ~LogFile() { flush(); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // `line` ends with a newline. May be called on any thread; those other than the loop's write at once and
  // may wait for the disk.
  void write(std::string_view line, bool urgent = false);
  // From now on the lines go to `fd`: the file was moved away and opened again.
  void replace(Fd fd);
  // Writes what is there and waits for it, two seconds at most. For the end of the process.
  void flush();
  const std::string& path() const { return path_; }
  // Lines that were lost because the disk did not take them.
  uint64_t lost() const { return lost_; }
  // Those of them since the last call.
  uint64_t take_lost() { return lost_ - std::exchange(lost_taken_, lost_); }

 private:
  struct Batch;

  void write_elsewhere(std::string_view line);
  bool is_due() const { return due_ || lines_.size() >= kFull; }
  void on_due();
  void start_batch();
  void on_batch_done();
  void report(bool failed);
  std::shared_ptr<const Fd> current() const;

  event::ThreadPool& writers_;
  std::string path_;
  std::thread::id loop_thread_;
  mutable std::mutex fd_mutex_;  // other threads take the descriptor while the loop may replace it
  std::shared_ptr<const Fd> fd_;
  std::string lines_;
  bool due_ = false;              // an urgent line is among them, or they waited long enough
  std::shared_ptr<Batch> batch_;  // being written, or null
  event::PoolJob job_;
  event::Timer timer_;
  event::Deferred soon_;
  uint64_t lost_ = 0;
  uint64_t lost_reported_ = 0;
  uint64_t lost_taken_ = 0;
  bool failing_ = false;
};

}  // namespace banyan::process
