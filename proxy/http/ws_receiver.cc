#include "http/ws_receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace banyan::http {

WsReceiver::Step WsReceiver::receive(std::span<char> input) {
  Step step;
  if (std::exchange(handed_out_, false)) forget();
  if (failed_ || input.empty()) return step;
  if (!in_frame_) {
    step.used = take_head(input, step);
    if (!in_frame_) return step;
    input = input.subspan(step.used);
  }
  const size_t size = static_cast<size_t>(std::min<uint64_t>(left_, input.size()));
  step.used += size;
  take_payload(input.first(size), step);
  return step;
}

// Reads the head where it lies, or collects it if it comes in pieces.
size_t WsReceiver::take_head(std::span<char> input, Step& step) {
  const size_t before = head_size_;
  const size_t added = std::min(input.size(), kLongestWsHead - before);
  std::memcpy(head_bytes_ + before, input.data(), added);
  const WsHeadParse parse = parse_ws_head({head_bytes_, before + added});
  if (!parse.wrong.empty()) {
    fail(WsClose::protocol_error, parse.wrong, step);
    return added;
  }
  if (parse.head_size == 0) {
    head_size_ = static_cast<uint8_t>(before + added);
    return added;
  }
  head_size_ = 0;
  frame_ = parse.head;
  left_ = frame_.size;
  if (std::string_view wrong = begin_frame(); !wrong.empty()) {
    fail(WsClose::protocol_error, wrong, step);
  } else if (!is_control(frame_.opcode) && frame_.size > most_to_come()) {
    fail(WsClose::message_too_big, "message longer than allowed", step);
  } else {
    in_frame_ = true;
  }
  return parse.head_size - before;
}

// Bytes of payload that the message may still have. What cannot be compressed becomes a little longer by it.
uint64_t WsReceiver::most_to_come() const {
  const uint64_t left = settings_.max_message - text_.size();
  return compressed_ ? left + left / 1000 + 64 : left;
}

// The rules of section 5.1, 5.4 and RFC 7692 section 6.1. What is wrong, or empty.
std::string_view WsReceiver::begin_frame() {
  if (!frame_.masked) return "frame is not masked";
  if (is_control(frame_.opcode)) return {};
  if (frame_.opcode == WsOpcode::continuation) {
    if (message_ == Message::none) return "continuation of no message";
    if (frame_.rsv1) return "compression bit in a continuation";
    return {};
  }
  if (message_ != Message::none) return "new message inside of a fragmented one";
  if (frame_.rsv1 && !settings_.deflate) return "compression was not agreed on";
  message_ = frame_.opcode == WsOpcode::text ? Message::text : Message::binary;
  compressed_ = frame_.rsv1;
  utf8_.reset();
  return {};
}

void WsReceiver::take_payload(std::span<char> part, Step& step) {
  apply_ws_mask(part, frame_.mask, frame_.size - left_);
  left_ -= part.size();
  const std::string_view bytes(part.data(), part.size());
  if (is_control(frame_.opcode)) {
    take_control(bytes, step);
  } else {
    take_data(bytes, step);
  }
  if (left_ == 0) in_frame_ = false;
}

void WsReceiver::take_control(std::string_view part, Step& step) {
  if (part.size() == frame_.size) return finish_control(part, step);
  const bool first = left_ + part.size() == frame_.size;
  if (first) control_.clear();
  control_ += part;
  if (left_ == 0) finish_control(control_, step);
}

void WsReceiver::finish_control(std::string_view payload, Step& step) {
  step.payload = payload;
  switch (frame_.opcode) {
    case WsOpcode::ping:
      step.event = Event::ping;
      break;
    case WsOpcode::pong:
      step.event = Event::pong;
      break;
    default:
      finish_close(payload, step);
  }
}

void WsReceiver::finish_close(std::string_view payload, Step& step) {
  step.event = Event::close;
  if (payload.empty()) return;
  if (payload.size() == 1) return fail(WsClose::protocol_error, "close frame with one byte", step);
  const auto code =
      static_cast<uint16_t>(static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]));
  if (!may_be_sent(code))
    return fail(WsClose::protocol_error, "close frame with a code that must not be sent", step);
  Utf8Check reason;
  if (!reason.add(payload.substr(2)) || !reason.complete()) {
    return fail(WsClose::invalid_payload, "reason of a close frame is not UTF-8", step);
  }
  step.code = static_cast<WsClose>(code);
  step.payload = payload.substr(2);
}

void WsReceiver::take_data(std::string_view part, Step& step) {
  const bool end = left_ == 0 && frame_.fin;
  const bool in_one_piece = end && part.size() == frame_.size && frame_.opcode != WsOpcode::continuation;
  if (in_one_piece && !compressed_) {
    if (message_ == Message::text && !utf8_.add(part)) {
      return fail(WsClose::invalid_payload, "text is not UTF-8", step);
    }
    return finish_message(part, step);
  }
  if (!add_to_message(part, end, step)) return;
  if (end) {
    finish_message(text_, step);
    handed_out_ = true;
  }
}

// False when it failed.
bool WsReceiver::add_to_message(std::string_view part, bool end, Step& step) {
  const size_t before = text_.size();
  if (compressed_) {
    if (!inflate_) inflate_ = std::make_unique<WsInflate>();
    auto outcome = inflate_->add(part, settings_.max_message, text_);
    if (outcome == WsInflate::Outcome::ok && end) outcome = inflate_->finish(settings_.max_message, text_);
    if (end) inflate_.reset();
    if (outcome == WsInflate::Outcome::malformed) {
      fail(WsClose::invalid_payload, "message is not compressed as it says", step);
      return false;
    }
    if (outcome == WsInflate::Outcome::too_big) {
      fail(WsClose::message_too_big, "message longer than allowed", step);
      return false;
    }
  } else {
    text_ += part;
  }
  if (message_ == Message::text && !utf8_.add(std::string_view(text_).substr(before))) {
    fail(WsClose::invalid_payload, "text is not UTF-8", step);
    return false;
  }
  return true;
}

void WsReceiver::finish_message(std::string_view payload, Step& step) {
  const bool is_text = message_ == Message::text;
  message_ = Message::none;
  if (is_text && !utf8_.complete()) {
    return fail(WsClose::invalid_payload, "text ends inside of a UTF-8 character", step);
  }
  step.event = is_text ? Event::text : Event::binary;
  step.payload = payload;
}

// Of a message that was handed out. A large buffer is not kept for the next, which may never come.
void WsReceiver::forget() { std::string().swap(text_); }  // an assignment would keep the memory

void WsReceiver::fail(WsClose code, std::string_view wrong, Step& step) {
  failed_ = true;
  in_frame_ = false;
  step.event = Event::failed;
  step.payload = {};
  step.code = code;
  step.wrong = wrong;
}

}  // namespace banyan::http
