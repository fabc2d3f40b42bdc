// What a client sends over a WebSocket (RFC 6455 sections 5 and 8.1): bytes in, messages and control frames
// out.
//
//   bytes ─▶ frame heads, unmasking ─▶ fragments joined ─▶ decompressed ─▶ UTF-8 checked ─▶ event
//
// Strict, and as early as possible: a wrong byte is reported where it stands, text that is not UTF-8 before
// its message is complete, a size that is too large before its payload has come. A message that came in one
// frame and in one piece is handed out where it lies; only others are copied together.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "http/ws_deflate.h"
#include "http/ws_frame.h"

namespace banyan::http {

class WsReceiver {
 public:
  struct Settings {
    size_t max_message = 64 * 1024;  // bytes of a message, decompressed
    bool deflate = false;            // permessage-deflate was agreed on
  };
  explicit WsReceiver(const Settings& settings) : settings_(settings) {}

  enum class Event : uint8_t { none, text, binary, ping, pong, close, failed };

  struct Step {
    size_t used = 0;  // bytes taken from the front; more than 0 unless the input was empty or it has failed
    Event event = Event::none;
    // Of a message, ping or pong; of a close frame the reason. A view into the input or into this receiver,
    // valid until the next call.
    std::string_view payload;
    // Of a close frame, WsClose::no_status if it has none. With Event::failed what to close the connection
    // with.
    WsClose code = WsClose::no_status;
    std::string_view wrong;  // with Event::failed: static text
  };
  // Goes on up to the end of one frame or of the input, which is unmasked in place. Call again with the rest.
  // After `close` nothing more is to be read; after `failed` the connection is of no use any more.
  Step receive(std::span<char> input);

  // A part of a message or frame has come and the rest has not.
  bool in_message() const { return in_frame_ || head_size_ > 0 || message_ != Message::none; }
  // Bytes kept for a message that is not complete.
  size_t buffered() const { return text_.size(); }

 private:
  enum class Message : uint8_t { none, text, binary };

  size_t take_head(std::span<char> input, Step& step);
  std::string_view begin_frame();
  uint64_t most_to_come() const;
  void take_payload(std::span<char> part, Step& step);
  void take_control(std::string_view part, Step& step);
  void take_data(std::string_view part, Step& step);
  bool add_to_message(std::string_view part, bool end, Step& step);
  void finish_control(std::string_view payload, Step& step);
  void finish_close(std::string_view payload, Step& step);
  void finish_message(std::string_view payload, Step& step);
  void forget();
  void fail(WsClose code, std::string_view wrong, Step& step);

  Settings settings_;
  char head_bytes_[kLongestWsHead];
  uint8_t head_size_ = 0;  // bytes of head_bytes_ that are there
  bool in_frame_ = false;  // its head was read
  bool compressed_ = false;
  bool failed_ = false;
  bool handed_out_ = false;  // text_ is the payload of the last step
  Message message_ = Message::none;
  WsFrameHead frame_;
  uint64_t left_ = 0;  // of the frame's payload
  Utf8Check utf8_;
  std::string text_;     // a message that came in pieces
  std::string control_;  // a control frame that did
  std::unique_ptr<WsInflate> inflate_;
};

}  // namespace banyan::http
