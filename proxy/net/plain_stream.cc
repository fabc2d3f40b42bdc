#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "net/socket_io.h"
#include "net/stream.h"

namespace banyan::net {
namespace {

class PlainStream final : public Stream {
 public:
  PlainStream(event::Loop& loop, int fd)
      : fd_(fd),
        loop_(loop),
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
  void hand_to(Listener& listener) override { listener_ = &listener; }

  IoResult read(std::span<char> space) override { return receive(fd_, space, read_watch_.peer_finished()); }
  IoResult write(std::span<const iovec> parts) override { return send_parts(fd_, parts); }
  bool can_splice() const override { return true; }
  IoResult splice_in(KernelPipe& pipe, size_t most) override { return net::splice_in(fd_, pipe, most); }
  IoResult splice_out(KernelPipe& pipe, size_t most) override { return net::splice_out(pipe, fd_, most); }

  void want_write() override {
    write_wanted_ = true;
    if (write_watch_) return;
    write_watch_ = std::make_unique<event::IoWatch>(loop_, fd_, event::IoWatch::Interest::write,
                                                    Callback::to<&PlainStream::writable>(this));
    // Without a watch the write time-out ends the connection: no other way to report it from here.
    if (!write_watch_->start()) write_watch_.reset();
  }

  void shutdown_write() override { ::shutdown(fd_, SHUT_WR); }

  void reset_on_close() override { set_reset_on_close(fd_); }
  int fd() const override { return fd_; }

 private:
  void readable() { listener_->on_readable(); }
  // Each edge of a descriptor tells all that it is ready for, so a watch that is left where it was once
  // needed is called with each read. The first call that nobody waits for ends it.
  void writable() {
    if (!std::exchange(write_wanted_, false)) return write_watch_.reset();
    listener_->on_writable();
  }

  int fd_;  // first: writing needs nothing else, and those who write to thousands wait for memory most
  bool write_wanted_ = false;
  event::Loop& loop_;
  Listener* listener_ = nullptr;
  event::IoWatch read_watch_;
  std::unique_ptr<event::IoWatch> write_watch_;
};

}  // namespace

IoResult Stream::splice_in(KernelPipe&, size_t) { return {IoStatus::error, 0, true, ENOTSUP}; }
IoResult Stream::splice_out(KernelPipe&, size_t) { return {IoStatus::error, 0, false, ENOTSUP}; }

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
