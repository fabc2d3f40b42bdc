// Where bytes of a long-lived answer may be cut so that something of our own fits behind them: between the
// frames of a WebSocket, between the events of an event stream, anywhere in what we do not understand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/ws_frame.h"

namespace banyan::exchange {

// The frames of one direction of a WebSocket (RFC 6455 section 5.2). A control frame may stand between any
// two frames, also inside a fragmented message (section 5.4). What breaks the rules for frames is let through
// as it is, but never comes to a boundary again.
class FrameTracker {
 public:
  // Takes bytes up to the end of the current frame, or all; returns how many.
  size_t feed(std::string_view bytes);
  bool at_boundary() const { return have_ == 0 && payload_left_ == 0 && !lost_; }
  // A close frame has begun: nothing may follow it.
  bool closing() const { return closing_; }

 private:
  size_t feed_head(std::string_view bytes);

  std::array<char, http::kLongestWsHead> head_;
  size_t have_ = 0;  // bytes of the head so far
  uint64_t payload_left_ = 0;
  bool closing_ = false;
  bool lost_ = false;
};

// The events of text/event-stream (WHATWG HTML section 9.2): at a boundary no field waits for its blank line.
class EventTracker {
 public:
  size_t feed(std::string_view bytes);
  bool at_boundary() const { return line_empty_ && !pending_; }

 private:
  void end_line();

  bool line_empty_ = true;
  bool comment_ = false;
  bool pending_ = false;  // fields since the last blank line
  bool after_cr_ = false;
};

}  // namespace banyan::exchange
