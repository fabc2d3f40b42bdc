#include "process/channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/log.h"
#include "process/descriptors.h"

namespace banyan::process {
namespace {

struct WireHead {
  uint32_t type;
  uint32_t zero;
  uint64_t number;
};

constexpr std::array kMessageRows = {
    MessageRow{MessageType::listen_socket, "listen_socket", true, true},
    MessageRow{MessageType::log_file, "log_file", true, true},
    MessageRow{MessageType::prepare, "prepare", true, true},
    MessageRow{MessageType::commit, "commit", true, false},
    MessageRow{MessageType::abort, "abort", true, false},
    MessageRow{MessageType::drain, "drain", true, false},
    MessageRow{MessageType::stop, "stop", true, false},
    MessageRow{MessageType::outcome, "outcome", true, false},
    MessageRow{MessageType::reloaded, "reloaded", true, false},
    MessageRow{MessageType::standing, "standing", true, false},
    MessageRow{MessageType::kept, "kept", true, true},
    MessageRow{MessageType::preparing, "preparing", false, false},
    MessageRow{MessageType::ready, "ready", false, false},
    MessageRow{MessageType::refused, "refused", false, false},
    MessageRow{MessageType::committed, "committed", false, false},
    MessageRow{MessageType::ask_reload, "ask_reload", false, false},
    MessageRow{MessageType::ask_rollback, "ask_rollback", false, false},
    MessageRow{MessageType::ask_confirm, "ask_confirm", false, false},
    MessageRow{MessageType::ask_history, "ask_history", false, false},
    MessageRow{MessageType::ask_kept, "ask_kept", false, false},
    MessageRow{MessageType::ask_reopen, "ask_reopen", false, false},
    MessageRow{MessageType::ask_hook, "ask_hook", false, true},
};

// Room for more descriptors than are ever sent, so that too many are seen (and closed) instead of cut off.
union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(4 * sizeof(int))];
};

enum class Delivery { complete, without_descriptor, broken };

// Takes over all descriptors that came. The kernel leaves out one that the process may not have any more.
Delivery take_descriptors(msghdr& header, Fd& fd) {
  int count = 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t size = part->cmsg_len - CMSG_LEN(0);
    for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
      int one;
      std::memcpy(&one, CMSG_DATA(part) + at, sizeof one);
      fd.reset(one);
      ++count;
    }
  }
  if (count > 1 || (header.msg_flags & MSG_TRUNC)) return Delivery::broken;
  if (!(header.msg_flags & MSG_CTRUNC)) return Delivery::complete;
  return count == 0 ? Delivery::without_descriptor : Delivery::broken;
}

void cut_text(std::string& text) {
  if (text.size() <= Channel::kLongestText) return;
  size_t end = text.rfind('\n', Channel::kLongestText - 1);
  text.resize(end == std::string::npos ? Channel::kLongestText : end + 1);
  text += "… and more\n";
}

}  // namespace

const MessageRow* find_message_row(MessageType type) {
  for (const MessageRow& row : kMessageRows) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

Result<std::pair<Fd, Fd>> Channel::make_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    return system_error("make a channel", errno);
  }
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

Channel::Channel(event::Loop& loop, Fd fd, Side side, Listener& listener)
    : fd_(std::move(fd)),
      side_(side),
      listener_(listener),
      readable_(loop, fd_.get(), event::IoWatch::Interest::read, Callback::to<&Channel::on_readable>(this)),
      writable_(loop, fd_.get(), event::IoWatch::Interest::write, Callback::to<&Channel::on_writable>(this)),
      closed_notice_(loop, Callback::to<&Channel::notify_closed>(this)) {
  if (!readable_.start()) close();
}

void Channel::send(Message message) {
  const MessageRow* row = find_message_row(message.type);
  CHECK(row && row->from_master == (side_ == Side::master) && row->has_fd == static_cast<bool>(message.fd));
  if (closed_) return;
  cut_text(message.text);
  if (queue_.empty() && send_now(message)) return;
  if (closed_) return;
  if (queue_.size() == kMostQueued) return close();
  queue_.push_back(std::move(message));
  if (queue_.size() == 1 && !writable_.start()) close();
}

bool Channel::send_now(const Message& message) {
  WireHead head{static_cast<uint32_t>(message.type), 0, message.number};
  iovec parts[2] = {{&head, sizeof head}, {const_cast<char*>(message.text.data()), message.text.size()}};
  msghdr header{};
  header.msg_iov = parts;
  header.msg_iovlen = 2;
  Control control{};
  if (message.fd) {
    header.msg_control = &control;
    header.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    int fd = message.fd.get();
    std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
  }
  ssize_t sent;
  do {
    sent = sendmsg(fd_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return true;
  // ETOOMANYREFS: too many descriptors are on their way; the other side must take some first.
  bool later = errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS;
  if (!later) close();
  return false;
}

void Channel::on_writable() {
  while (!queue_.empty() && send_now(queue_.front())) queue_.pop_front();
  if (queue_.empty() && !closed_) writable_.stop();
}

void Channel::on_readable() {
  std::optional<ReserveInUse> reserve;
  if (side_ == Side::child) reserve.emplace();
  while (!closed_ && receive_one()) {
  }
}

// False when nothing more is there now.
bool Channel::receive_one() {
  WireHead head;
  std::string text(kLongestText + 64, '\0');
  iovec parts[2] = {{&head, sizeof head}, {text.data(), text.size()}};
  Control control{};
  msghdr header{};
  header.msg_iov = parts;
  header.msg_iovlen = 2;
  header.msg_control = &control;
  header.msg_controllen = sizeof control;
  ssize_t got = recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0 && errno == EINTR) return true;
  if (got < 0 && errno == EAGAIN) return false;
  if (got <= 0) return close(), false;
  Message message;
  const Delivery delivery = take_descriptors(header, message.fd);
  const bool has_fd = message.fd || delivery == Delivery::without_descriptor;
  const MessageRow* row = nullptr;
  if (delivery != Delivery::broken && static_cast<size_t>(got) >= sizeof head)
    row = find_message_row(static_cast<MessageType>(head.type));
  if (!row || row->from_master == (side_ == Side::master) || row->has_fd != has_fd) {
    LOG(error, "a message between processes that is not one: type {}, {} bytes", head.type, got);
    return close(), false;
  }
  message.type = row->type;
  message.number = head.number;
  text.resize(static_cast<size_t>(got) - sizeof head);
  message.text = std::move(text);
  listener_.on_message(std::move(message));
  return true;
}

void Channel::close() {
  if (closed_) return;
  closed_ = true;
  readable_.stop();
  writable_.stop();
  queue_.clear();
  fd_.reset();
  closed_notice_.schedule();
}

void Channel::notify_closed() { listener_.on_channel_closed(); }

}  // namespace banyan::process
