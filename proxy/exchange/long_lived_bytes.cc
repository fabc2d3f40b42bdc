#include "exchange/long_lived_bytes.h"

#include <algorithm>
#include <utility>

namespace banyan::exchange {

size_t FrameTracker::feed_head(std::string_view bytes) {
  const size_t added = std::min(bytes.size(), head_.size() - have_);
  bytes.copy(head_.data() + have_, added);
  const http::WsHeadParse parse = http::parse_ws_head({head_.data(), have_ + added});
  lost_ = !parse.wrong.empty();
  if (lost_ || parse.head_size == 0) {
    have_ += added;
    return added;
  }
  closing_ = closing_ || parse.head.opcode == http::WsOpcode::close;
  payload_left_ = parse.head.size;
  return parse.head_size - std::exchange(have_, 0);
}

size_t FrameTracker::feed(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size()) {
    if (lost_) return bytes.size();
    if (payload_left_ > 0) {
      const uint64_t count = std::min<uint64_t>(payload_left_, bytes.size() - used);
      payload_left_ -= count;
      used += count;
    } else {
      used += feed_head(bytes.substr(used));
    }
    if (at_boundary()) break;
  }
  return used;
}

void EventTracker::end_line() {
  if (line_empty_) {
    pending_ = false;
  } else if (!comment_) {
    pending_ = true;
  }
  line_empty_ = true;
}

size_t EventTracker::feed(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    const bool second_half = c == '\n' && after_cr_;  // of CR LF, which is one end of a line
    after_cr_ = c == '\r';
    if (second_half) continue;
    if (c == '\n' || c == '\r') {
      end_line();
      if (!pending_) return i + 1;
    } else {
      if (line_empty_) comment_ = c == ':';
      line_empty_ = false;
    }
  }
  return bytes.size();
}

}  // namespace banyan::exchange
