#include "net/connect_socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace banyan::net {
namespace {

struct ErrorType {
  int status;
  std::string_view type;
};

ErrorType type_of(int error_number) {
  switch (error_number) {
    case ECONNREFUSED:
    case ENOENT:  // a unix socket whose server has gone
      return {502, "connection_refused"};
    case ENETUNREACH:
    case EHOSTUNREACH:
      return {502, "destination_ip_unroutable"};
    case ETIMEDOUT:
      return {504, "connection_timeout"};
    case EAGAIN:  // a unix socket whose queue is full
    case ECONNRESET:
      return {502, "connection_terminated"};
    default:
      return {502, "destination_unavailable"};
  }
}

// What this machine or process has run out of; EADDRNOTAVAIL: local ports.
bool is_our_own(int error_number) {
  return error_number == EMFILE || error_number == ENFILE || error_number == ENOBUFS ||
         error_number == ENOMEM || error_number == EADDRNOTAVAIL;
}

}  // namespace

Error connect_error(const SocketAddress& address, int error_number) {
  ErrorType kind = type_of(error_number);
  std::string why = std::generic_category().message(error_number);
  Error error = upstream_error(kind.status, kind.type, fmt::format("connect to {}: {}", address.text(), why));
  if (is_our_own(error_number)) {
    error.fault = Fault::proxy;
    error.status = 503;
    error.type = "proxy_internal_error";
  }
  error.nothing_sent = true;
  return error;
}

Result<int> open_connecting_socket(const SocketAddress& address) {
  int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return connect_error(address, errno);
  if (address.family() != AF_UNIX) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  // EINTR as well as EINPROGRESS: the attempt goes on (connect(2)).
  if (connect(fd, address.get(), address.size()) == 0 || errno == EINPROGRESS || errno == EINTR) return fd;
  int error_number = errno;
  close(fd);
  return connect_error(address, error_number);
}

}  // namespace banyan::net
