// A connected byte stream. Plain and TLS differ in how bytes are read, written and shut down, and nowhere
// else.
//
// Readiness is edge-triggered: after on_readable, read until the result says `drained`; a reader that stops
// earlier (back-pressure) calls read() again by itself later, without waiting for a notice. Write first, and
// only when a write came out short call want_write() and wait for on_writable.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/kernel_pipe.h"
#include "base/result.h"
#include "event/io.h"

namespace banyan::event {
class Loop;
}

namespace banyan::net {

enum class IoStatus {
  ok,     // `bytes` were moved
  again,  // nothing now; a notice will come
  end,    // read: the peer sends no more (FIN, close_notify)
  error,  // the connection is dead; `error_number` says why (0 for TLS errors)
};

struct IoResult {
  IoStatus status = IoStatus::ok;
  size_t bytes = 0;
  bool drained = false;  // read: nothing more to be had now, a notice will come
  int error_number = 0;
};

class Stream {
 public:
  class Listener {
   public:
    // Both come from the loop, never inside a call to the stream. The listener may destroy the stream in
    // them.
    virtual void on_readable() = 0;
    virtual void on_writable() = 0;

   protected:
    ~Listener() = default;
  };

  // Closes. Over TLS a close_notify goes before, unless shutdown_write() sent it or reset_on_close() forbids
  // it.
  virtual ~Stream() = default;

  // Who is told; the stream starts watching. REQUIRES: called once before read or write. False when the
  // kernel refuses the watch.
  [[nodiscard]] virtual bool start(Listener& listener) = 0;
  // Another listener from now on, who begins with a read(): bytes that came before lead to no further notice.
  // REQUIRES: started.
  virtual void hand_to(Listener& listener) = 0;
  virtual IoResult read(std::span<char> space) = 0;
  // Writes as much as is taken of the parts, in order. At most IOV_MAX parts. When all bytes were reported as
  // written they are in the kernel's hands, and the stream may be destroyed. After a short write the next one
  // begins with the bytes not taken (a TLS stream may have encrypted them already).
  virtual IoResult write(std::span<const iovec> parts) = 0;
  // What is read and written goes over the socket as it is, so that the kernel can move it by itself.
  virtual bool can_splice() const { return false; }
  // As read(), up to `most` bytes into an empty pipe. REQUIRES (both): can_splice().
  virtual IoResult splice_in(KernelPipe& pipe, size_t most);
  // As write(), up to `most` of the bytes that the pipe holds. A short count says nothing: go on until
  // `again`.
  virtual IoResult splice_out(KernelPipe& pipe, size_t most);
  // Ask for one on_writable when there is room (or the connection failed).
  virtual void want_write() = 0;
  // No more bytes will be written; reading goes on (half-close, for TLS a close_notify first).
  virtual void shutdown_write() = 0;
  // The next close sends a reset: the peer must not take what it has for complete.
  virtual void reset_on_close() = 0;
  virtual int fd() const = 0;
  // "TLSv1.3", or empty for plain text and before the end of the handshake.
  virtual std::string_view tls_protocol() const { return {}; }
  // The subject of the peer's verified certificate (RFC 4514: "CN=alice,O=Example"); empty if it showed none.
  virtual std::string peer_subject() const { return {}; }
  // False while a TLS handshake is under way: nothing can be written yet.
  virtual bool handshake_done() const { return true; }
  // What a TLS error was, for the log ("no shared cipher"). Empty when there was none.
  virtual std::string_view failure() const { return {}; }
  // The peer sent a plain HTTP request where TLS was expected; see make_tls_stream.
  virtual bool speaks_plain_http() const { return false; }
};

// Takes over the descriptor, which must be non-blocking and connected (or connecting: on_writable tells the
// end of the attempt, take_connect_error the outcome).
std::unique_ptr<Stream> make_plain_stream(event::Loop& loop, int fd);

// The error a connecting socket ended with (SO_ERROR), 0 when it is connected.
int take_connect_error(int fd);

}  // namespace banyan::net
