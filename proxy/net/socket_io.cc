#include "net/socket_io.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

namespace banyan::net {

namespace {

// Up to here a copy into one part costs less than what a list of parts costs the kernel.
constexpr size_t kJoinedSize = 2048;

// Puts the parts behind each other; empty if they are too long for `space`.
std::span<char> join(std::span<const iovec> parts, std::span<char> space) {
  size_t size = 0;
  for (const iovec& part : parts) {
    if (part.iov_len > space.size() - size) return {};
    std::memcpy(space.data() + size, part.iov_base, part.iov_len);
    size += part.iov_len;
  }
  return space.first(size);
}

ssize_t send_several(int fd, std::span<const iovec> parts) {
  char space[kJoinedSize];
  if (std::span<char> joined = join(parts, space); !joined.empty()) {
    return ::send(fd, joined.data(), joined.size(), MSG_NOSIGNAL);
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = std::min<size_t>(parts.size(), IOV_MAX);
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

ssize_t send_once(int fd, std::span<const iovec> parts) {
  if (parts.size() == 1) return ::send(fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
  return send_several(fd, parts);
}

}  // namespace

IoResult receive(int fd, std::span<char> space, bool peer_finished) {
  ssize_t count;
  do {
    count = ::recv(fd, space.data(), space.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count > 0) {
    size_t bytes = static_cast<size_t>(count);
    return {IoStatus::ok, bytes, bytes < space.size() && !peer_finished, 0};
  }
  if (count == 0) return {IoStatus::end, 0, true, 0};
  if (errno == EAGAIN) return {IoStatus::again, 0, true, 0};
  return {IoStatus::error, 0, true, errno};
}

IoResult send_parts(int fd, std::span<const iovec> parts) {
  ssize_t count;
  do {
    count = send_once(fd, parts);
  } while (count < 0 && errno == EINTR);
  if (count >= 0) return {IoStatus::ok, static_cast<size_t>(count), false, 0};
  if (errno == EAGAIN) return {IoStatus::again, 0, false, 0};
  return {IoStatus::error, 0, false, errno};
}

IoResult splice_in(int fd, KernelPipe& pipe, size_t most) {
  ssize_t count;
  do {
    count = ::splice(fd, nullptr, pipe.write_end, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (count < 0 && errno == EINTR);
  if (count > 0) {
    pipe.held += static_cast<size_t>(count);
    return {IoStatus::ok, static_cast<size_t>(count), false, 0};
  }
  if (count == 0) return {IoStatus::end, 0, true, 0};
  if (errno == EAGAIN) return {IoStatus::again, 0, true, 0};
  return {IoStatus::error, 0, true, errno};
}

IoResult splice_out(KernelPipe& pipe, int fd, size_t most) {
  ssize_t count;
  do {
    count = ::splice(pipe.read_end, nullptr, fd, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (count < 0 && errno == EINTR);
  if (count >= 0) {
    pipe.held -= static_cast<size_t>(count);
    return {IoStatus::ok, static_cast<size_t>(count), false, 0};
  }
  if (errno == EAGAIN) return {IoStatus::again, 0, false, 0};
  return {IoStatus::error, 0, false, errno};
}

void set_reset_on_close(int fd) {
  linger zero{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &zero, sizeof zero);
}

}  // namespace banyan::net
