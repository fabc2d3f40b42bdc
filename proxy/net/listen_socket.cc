#include "net/listen_socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>

#include "base/log.h"
#include "net/ip_address.h"

namespace banyan::net {
namespace {

constexpr int kSocketType = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

Error listen_error(const config::Address& address, std::string_view why) {
  return proxy_error(fmt::format("listen on {}: {}", address.text(), why));
}

Error listen_error(const config::Address& address, int error_number) {
  return listen_error(address, std::generic_category().message(error_number));
}

// Whoever listens answers a connection or has a full queue; a file without a listener refuses.
bool is_served(const SocketAddress& address) {
  int fd = socket(AF_UNIX, kSocketType, 0);
  if (fd < 0) return true;
  bool served = connect(fd, address.get(), address.size()) == 0 || errno != ECONNREFUSED;
  close(fd);
  return served;
}

Result<void> make_way(const config::Address& address, const SocketAddress& socket_address, bool& in_use) {
  struct stat status;
  if (lstat(address.host.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return listen_error(address, errno);
  }
  if (!S_ISSOCK(status.st_mode)) return listen_error(address, "there is a file that is no socket");
  in_use = is_served(socket_address);
  if (in_use) return listen_error(address, "another process listens there");
  if (unlink(address.host.c_str()) != 0) return listen_error(address, errno);
  return {};
}

void set_on(int fd, int level, int option) {
  int on = 1;
  setsockopt(fd, level, option, &on, sizeof on);
}

// `in_use`: it failed because somebody else has the address.
Result<int> try_to_open(const config::Address& address, const SocketAddress& socket_address,
                        const ListenOptions& options, bool& in_use) {
  const bool is_unix = socket_address.family() == AF_UNIX;
  if (is_unix) {
    Result<void> clear = make_way(address, socket_address, in_use);
    if (!clear) return clear.error();
  }
  int fd = socket(socket_address.family(), kSocketType, 0);
  if (fd < 0) return listen_error(address, errno);
  set_on(fd, SOL_SOCKET, SO_REUSEADDR);
  if (socket_address.family() == AF_INET6) set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
  // The mode is set before listen(), so nobody gets in by the one the file was made with.
  if (bind(fd, socket_address.get(), socket_address.size()) == 0 &&
      (!is_unix || chmod(address.host.c_str(), options.unix_mode) == 0) && listen(fd, options.backlog) == 0) {
    return fd;
  }
  int error_number = errno;
  close(fd);
  in_use = error_number == EADDRINUSE;
  return listen_error(address, error_number);
}

}  // namespace

Result<int> open_listen_socket(const config::Address& address, const ListenOptions& options) {
  constexpr Millis kPause{20};
  Result<SocketAddress> socket_address = SocketAddress::make(address);
  if (!socket_address) return listen_error(address, socket_address.error().message);
  for (bool told = false;; told = true) {
    bool in_use = false;
    Result<int> fd = try_to_open(address, *socket_address, options, in_use);
    if (fd || !in_use || MonotonicClock::now() >= options.in_use_until) return fd;
    if (!told) LOG(notice, "{}; trying again for a moment", fd.error().message);
    std::this_thread::sleep_for(kPause);
  }
}

void remove_socket_file(const config::Address& address) {
  if (address.kind == config::Address::Kind::unix_socket) unlink(address.host.c_str());
}

}  // namespace banyan::net
