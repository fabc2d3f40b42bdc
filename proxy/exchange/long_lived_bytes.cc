#include "exchange/long_lived_bytes.h"

#include <algorithm>

namespace banyan::exchange {

size_t FrameTracker::header_size() const {
  if (have_ < 2) return 2;
  const uint8_t length = header_[1] & 0x7f;
  const size_t mask = header_[1] & 0x80 ? 4 : 0;
  return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + mask;
}

void FrameTracker::read_header() {
  closing_ = closing_ || (header_[0] & 0x0f) == 0x8;
  payload_left_ = header_[1] & 0x7f;
  const size_t digits = payload_left_ == 126 ? 2 : payload_left_ == 127 ? 8 : 0;
  if (digits > 0) payload_left_ = 0;
  for (size_t i = 0; i < digits; ++i) payload_left_ = payload_left_ << 8 | header_[2 + i];
  have_ = 0;
}

size_t FrameTracker::feed(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size()) {
    if (payload_left_ > 0) {
      const uint64_t count = std::min<uint64_t>(payload_left_, bytes.size() - used);
      payload_left_ -= count;
      used += count;
    } else {
      header_[have_++] = static_cast<uint8_t>(bytes[used++]);
      if (have_ == header_size()) read_header();
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
