#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "net/stream.h"

namespace banyan::net {
namespace {

class PlainStream final : public Stream {
 public:
  PlainStream(event::Loop& loop, int fd)
      : loop_(loop),
        fd_(fd),
        read_watch_(loop, fd, event::IoWatch::Interest::read, Callback::to<&PlainStream::readable>(this)) {}

  ~PlainStream() override {
    read_watch_.stop();
    write_watch_.reset();
    close(fd_);
  }

  bool start(Listener& listener) override {
    listener_ = &listener;
    return read_watch_.start();
  }

  IoResult read(std::span<char> space) override {
    ssize_t count;
    do {
      count = ::recv(fd_, space.data(), space.size(), 0);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
      size_t bytes = static_cast<size_t>(count);
      return {IoStatus::ok, bytes, bytes < space.size() && !read_watch_.peer_finished(), 0};
    }
    if (count == 0) return {IoStatus::end, 0, true, 0};
    if (errno == EAGAIN) return {IoStatus::again, 0, true, 0};
    return {IoStatus::error, 0, true, errno};
  }

  IoResult write(std::span<const iovec> parts) override {
    ssize_t count;
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts.data());
    message.msg_iovlen = std::min<size_t>(parts.size(), IOV_MAX);
    do {
      count = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count >= 0) return {IoStatus::ok, static_cast<size_t>(count), false, 0};
    if (errno == EAGAIN) return {IoStatus::again, 0, false, 0};
    return {IoStatus::error, 0, false, errno};
  }

  // The watch stays once it was needed: an edge that finds nothing to write costs less than taking it out
  // each time.
  void want_write() override {
    if (write_watch_) return;
    write_watch_ = std::make_unique<event::IoWatch>(loop_, fd_, event::IoWatch::Interest::write,
                                                    Callback::to<&PlainStream::writable>(this));
    // Without a watch the write time-out ends the connection: no other way to report it from here.
    if (!write_watch_->start()) write_watch_.reset();
  }

  void shutdown_write() override { ::shutdown(fd_, SHUT_WR); }

  void reset_on_close() override {
    linger zero{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &zero, sizeof zero);
  }

  int fd() const override { return fd_; }

 private:
  void readable() { listener_->on_readable(); }
  void writable() { listener_->on_writable(); }

  event::Loop& loop_;
  int fd_;
  Listener* listener_ = nullptr;
  event::IoWatch read_watch_;
  std::unique_ptr<event::IoWatch> write_watch_;
};

}  // namespace

std::unique_ptr<Stream> make_plain_stream(event::Loop& loop, int fd) {
  return std::make_unique<PlainStream>(loop, fd);
}

int take_connect_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

}  // namespace banyan::net
