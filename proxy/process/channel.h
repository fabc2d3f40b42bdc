// Messages between the master and one of its children, over a pair of sockets (unix, SOCK_SEQPACKET: the
// kernel keeps the borders of messages, and one side reads the end when the other dies).
//
//   message on the wire:  u32 type · u32 zero · u64 number · text      and at most one descriptor beside it
//
// The types are one table (kMessageRows); a message that is not in it, goes the wrong way, or has a
// descriptor too many ends the channel: a child is not trusted with the master's memory or descriptors. One
// whose descriptor the kernel could not deliver, because the receiver may have no more, comes without it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "event/deferred.h"
#include "event/io.h"
#include "process/fd.h"

namespace banyan::process {

enum class MessageType : uint32_t {
  // From the master.
  listen_socket,  // fd: a listening socket of the configuration being prepared; text: its address
  log_file,  // fd: a log file, new or opened again; text: its path; number: the reload it waits for, 0: none
  prepare,   // fd: config::Sources as bytes; number: of the reload
  commit,    // number
  abort,     // number
  drain,     // number: milliseconds until the end that is not graceful
  stop,
  outcome,   // number: of the request; text: an Outcome
  reloaded,  // text: the Outcome of a reload, for the controller
  standing,  // text: an admin::Standing, for the controller
  kept,      // fd: config::Sources as bytes, of a kept configuration; number: of the request
  // From a child.
  preparing,     // number: of the reload; the answer follows when it is through
  ready,         // number: of the configuration; text: remarks, a line each
  refused,       // number; text: the reasons, a line each
  committed,     // number
  ask_reload,    // number: chosen by the child, comes back with the outcome; text: an admin::ChangeOrder
  ask_rollback,  // the same
  ask_confirm,   // the same
  ask_history,   // number: the same; the outcome has a line for each entry
  ask_kept,      // number, text: as for ask_rollback; answered with `kept`, or a refusal
  ask_reopen,    // number: the same
  ask_hook,  // fd: a line to the process that is to run the command of a hook; text: whose, a rollout's name
};

struct Message {
  MessageType type = MessageType::stop;
  uint64_t number = 0;
  std::string text = {};
  Fd fd = {};  // empty in a received one: there was none left
};

struct MessageRow {
  MessageType type;
  std::string_view name;
  bool from_master;
  bool has_fd;
};

// The row of a type, null for an unknown one.
const MessageRow* find_message_row(MessageType type);

class Channel {
 public:
  // Longer texts are cut by send() at the end of a line, and say so.
  static constexpr size_t kLongestText = 60 * 1024;
  // A child that does not read its messages is as good as dead; the channel then ends.
  static constexpr size_t kMostQueued = 4096;

  enum class Side { master, child };

  class Listener {
   public:
    // Both come from the loop, never inside a call to the channel (but receive_rest()). Neither may destroy
    // the channel: dispose of it.
    virtual void on_message(Message message) = 0;
    // The other side has gone, or broke the rules. Comes once; nothing is sent or received any more.
    virtual void on_channel_closed() = 0;

   protected:
    ~Listener() = default;
  };

  // Two connected ends: the master's, the child's.
  static Result<std::pair<Fd, Fd>> make_pair();

  // `side` is who uses this end. Loop and listener must outlive the channel.
  Channel(event::Loop& loop, Fd fd, Side side, Listener& listener);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Never blocks: what the kernel does not take now is queued. Dropped when the channel is closed.
  // REQUIRES: the type is one that this side sends, with a descriptor exactly if its row says so.
  void send(Message message);
  // Hands what has arrived to the listener, inside this call. For the end, when the other side is known to be
  // dead.
  void receive_rest() { on_readable(); }
  bool closed() const { return closed_; }

 private:
  void on_readable();
  void on_writable();
  void notify_closed();
  bool receive_one();
  // False when the kernel does not take more now.
  bool send_now(const Message& message);
  void close();

  Fd fd_;
  Side side_;
  Listener& listener_;
  event::IoWatch readable_;
  event::IoWatch writable_;
  event::Deferred closed_notice_;
  std::deque<Message> queue_;
  bool closed_ = false;
};

}  // namespace banyan::process
