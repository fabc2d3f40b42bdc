#include "process/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/log.h"
#include "event/loop.h"

namespace banyan::process {
namespace {

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// A write to a file is one piece by its lock; one to a pipe only up to PIPE_BUF bytes, so pipes get a few
// lines at a time (a longer line may be cut by another process's).
bool write_lines(int fd, std::string_view lines) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || S_ISREG(status.st_mode)) return write_all(fd, lines);
  while (!lines.empty()) {
    size_t size = lines.size();
    if (size > PIPE_BUF) {
      size_t end = lines.rfind('\n', PIPE_BUF - 1);
      if (end == std::string_view::npos) end = lines.find('\n');
      if (end != std::string_view::npos) size = end + 1;
    }
    if (!write_all(fd, lines.substr(0, size))) return false;
    lines.remove_prefix(size);
  }
  return true;
}

uint64_t count_lines(std::string_view lines) {
  return static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
}

}  // namespace

Result<Fd> open_log(const std::string& path) {
  if (path == "stdout" || path == "stderr") {
    Fd fd(fcntl(path == "stdout" ? STDOUT_FILENO : STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) return system_error("use " + path, errno);
    return fd;
  }
  // Without O_NONBLOCK a FIFO that nobody reads would hold the master for ever.
  Fd fd(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644));
  if (!fd) return system_error("open " + path, errno);
  int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) != 0)
    return system_error("open " + path, errno);
  return fd;
}

// What is on its way to the disk. Whoever claims it writes it: a thread of the pool, or flush() if none has
// begun.
struct LogFile::Batch {
  std::string lines;
  std::shared_ptr<const Fd> fd;
  std::atomic<bool> claimed = false;
  bool failed = false;  // read after `done`
  std::promise<void> written;
  std::future<void> done = written.get_future();

  void write() {
    if (claimed.exchange(true)) return;
    failed = !write_lines(fd->get(), lines);
    written.set_value();
  }
};

LogFile::LogFile(event::Loop& loop, event::ThreadPool& writers, std::string path, Fd fd)
    : writers_(writers),
      path_(std::move(path)),
      loop_thread_(std::this_thread::get_id()),
      fd_(std::make_shared<const Fd>(std::move(fd))),
      timer_(loop, Callback::to<&LogFile::on_due>(this)),
      soon_(loop, Callback::to<&LogFile::start_batch>(this)) {}

std::shared_ptr<const Fd> LogFile::current() const {
  std::lock_guard lock(fd_mutex_);
  return fd_;
}

void LogFile::write(std::string_view line, bool urgent) {
  if (std::this_thread::get_id() != loop_thread_) {
    write_lines(current()->get(), line);
    return;
  }
  size_t pending = lines_.size() + (batch_ ? batch_->lines.size() : 0);
  if (pending + line.size() > kMostPending) {
    ++lost_;
    return;
  }
  lines_ += line;
  due_ |= urgent;
  if (is_due()) {
    if (!batch_) soon_.schedule();  // else on_batch_done() goes on
  } else if (!timer_.running()) {
    timer_.start(kLongestWait);
  }
}

void LogFile::on_due() {
  due_ = true;
  start_batch();
}

void LogFile::start_batch() {
  if (lines_.empty() || batch_) return;
  timer_.stop();
  due_ = false;
  batch_ = std::make_shared<Batch>();
  batch_->lines.swap(lines_);
  batch_->fd = current();
  lines_.reserve(batch_->lines.size());  // most likely as many come again
  job_ = writers_.submit([batch = batch_] { batch->write(); }, [this] { on_batch_done(); });
}

void LogFile::on_batch_done() {
  std::shared_ptr<Batch> batch = std::move(batch_);
  if (batch->failed) lost_ += count_lines(batch->lines);
  report(batch->failed);
  if (is_due()) start_batch();
}

// Once when the trouble begins and once when it is over: the line itself may have to go to this very file.
void LogFile::report(bool failed) {
  if (failed && !failing_) {
    LOG(error, "cannot write to {}: lines are being lost", path_);
  } else if (!failed && lost_ > lost_reported_) {
    LOG(error, "{} can be written again; {} lines were lost", path_, lost_ - lost_reported_);
    lost_reported_ = lost_;
  }
  failing_ = failed;
}

void LogFile::replace(Fd fd) {
  auto next = std::make_shared<const Fd>(std::move(fd));
  std::lock_guard lock(fd_mutex_);
  fd_.swap(next);
}

void LogFile::flush() {
  constexpr auto kPatience = std::chrono::seconds(2);
  job_.cancel();
  timer_.stop();
  soon_.cancel();
  if (batch_) {
    batch_->write();
    // A disk that does not answer must not keep the process from ending.
    if (batch_->done.wait_for(kPatience) != std::future_status::ready) return;
    batch_.reset();
  }
  write_lines(current()->get(), lines_);
  lines_.clear();
  due_ = false;
}

}  // namespace banyan::process
