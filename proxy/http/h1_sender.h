// Writes one HTTP/1 message to a stream: what is in front of the body, the body from a pipe in its framing,
// what is behind it. Used towards clients and towards upstreams alike.
//
//   text ("HTTP/1.1 200 OK…\r\n\r\n" "5\r\n")  body slices ("hello")  text ("\r\n" "0\r\n\r\n")     one
//   writev; what is in the kernel already (BodyReader::spliced) goes by itself
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/body_pipe.h"
#include "net/stream.h"

namespace banyan::http {

enum class Framing : uint8_t {
  none,         // no body
  sized,        // Content-Length
  chunked,      // Transfer-Encoding: chunked
  until_close,  // everything up to the end of the connection; tunnels too
};

enum class SendStatus {
  waiting,      // all that there is was written; the body is not at its end
  blocked,      // the stream takes no more now: want_write() was called
  done,         // the whole message was written
  body_failed,  // the body broke off, or had another size than was announced: the connection cannot be used
                // on
  error,        // the stream is dead
};

class H1Sender {
 public:
  // Text that goes out before the body: heads, interim responses. Append to it before start().
  std::string& text() { return before_; }
  // The body follows. `body` may be null with Framing::none; `size` is for Framing::sized.
  void start(Framing framing, uint64_t size, BodyReader* body);
  bool started() const { return started_; }
  // The end of the body is not known beforehand.
  bool open_ended() const { return framing_ == Framing::chunked || framing_ == Framing::until_close; }
  // Everything of a started message was written.
  bool finished() const { return started_ && last_prepared_ && nothing_prepared(); }
  // Writes what can be written. REQUIRES: the stream was started.
  SendStatus flush(net::Stream& stream);
  // Bytes the stream has taken, and those of the body among them.
  uint64_t bytes_sent() const { return bytes_sent_; }
  uint64_t body_bytes_sent() const { return body_bytes_sent_; }
  // After `error`: the stream's errno.
  int error_number() const { return error_number_; }
  // Ready for the next message; keeps memory.
  void reset();

 private:
  bool prepare();
  net::IoResult write_prepared(net::Stream& stream, size_t& asked);
  bool nothing_prepared() const {
    return before_done_ == before_.size() && body_left_ == 0 && after_.empty();
  }
  void take(size_t count);

  std::string before_;
  size_t before_done_ = 0;  // bytes of it already written
  uint64_t body_left_ = 0;  // bytes of the pipe that go out before `after_`
  std::string after_;
  BodyReader* body_ = nullptr;
  uint64_t size_left_ = 0;
  uint64_t bytes_sent_ = 0;
  uint64_t body_bytes_sent_ = 0;
  int error_number_ = 0;
  Framing framing_ = Framing::none;
  bool started_ = false;
  bool last_prepared_ = false;  // nothing comes after what is prepared
  bool failed_ = false;
};

}  // namespace banyan::http
