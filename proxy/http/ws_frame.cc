#include "http/ws_frame.h"

#include <cstring>

#include "base/check.h"

namespace banyan::http {
namespace {

constexpr uint8_t kFin = 0x80, kRsv1 = 0x40, kOtherReserved = 0x30, kOpcode = 0x0f;
constexpr uint8_t kMask = 0x80, kSize = 0x7f;
constexpr uint8_t kTwoBytes = 126, kEightBytes = 127;

uint64_t read_number(const char* from, size_t bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < bytes; ++i) number = number << 8 | static_cast<uint8_t>(from[i]);
  return number;
}

void append_number(uint64_t number, size_t bytes, std::string& out) {
  for (size_t i = bytes; i-- > 0;) out.push_back(static_cast<char>(number >> 8 * i));
}

bool is_known(uint8_t opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

std::string_view wrong_in_first_bytes(uint8_t first, uint8_t second) {
  if (first & kOtherReserved) return "reserved bits are set";
  if (!is_known(first & kOpcode)) return "reserved opcode";
  if (!is_control(static_cast<WsOpcode>(first & kOpcode))) return {};
  if (!(first & kFin)) return "fragmented control frame";
  if (first & kRsv1) return "compressed control frame";
  if ((second & kSize) > kLongestWsControl) return "control frame longer than 125 bytes";
  return {};
}

// At most 3 bytes back, where the character that would be cut through begins.
std::string_view cut_at_character(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xc0) == 0x80) --size;
  return text.substr(0, size);
}

}  // namespace

bool may_be_sent(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

WsHeadParse parse_ws_head(std::string_view bytes) {
  WsHeadParse parse;
  if (bytes.size() < 2) return parse;
  const uint8_t first = static_cast<uint8_t>(bytes[0]), second = static_cast<uint8_t>(bytes[1]);
  parse.wrong = wrong_in_first_bytes(first, second);
  if (!parse.wrong.empty()) return parse;
  WsFrameHead& head = parse.head;
  head.fin = first & kFin;
  head.rsv1 = first & kRsv1;
  head.opcode = static_cast<WsOpcode>(first & kOpcode);
  head.masked = second & kMask;
  head.size = second & kSize;
  const size_t size_bytes = head.size == kTwoBytes ? 2 : head.size == kEightBytes ? 8 : 0;
  const size_t whole = 2 + size_bytes + (head.masked ? 4 : 0);
  if (bytes.size() < 2 + size_bytes) return parse;
  if (size_bytes > 0) {
    head.size = read_number(bytes.data() + 2, size_bytes);
    if (head.size < (size_bytes == 2 ? kTwoBytes : 0x10000u)) parse.wrong = "size not in its shortest form";
    if (head.size >> 63) parse.wrong = "size with the topmost bit set";
    if (!parse.wrong.empty()) return parse;
  }
  if (bytes.size() < whole) return parse;
  if (head.masked) std::memcpy(head.mask.data(), bytes.data() + whole - 4, 4);
  parse.head_size = whole;
  return parse;
}

void apply_ws_mask(std::span<char> bytes, const std::array<uint8_t, 4>& mask, uint64_t offset) {
  std::array<uint8_t, 8> turned;
  for (size_t i = 0; i < 8; ++i) turned[i] = mask[(offset + i) % 4];
  uint64_t key;
  std::memcpy(&key, turned.data(), sizeof key);
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    word ^= key;
    std::memcpy(bytes.data() + at, &word, sizeof word);
  }
  for (; at < bytes.size(); ++at) bytes[at] = static_cast<char>(bytes[at] ^ turned[at % 8]);
}

void append_ws_head(WsOpcode opcode, uint64_t payload_size, bool compressed, std::string& out) {
  out.push_back(static_cast<char>(kFin | (compressed ? kRsv1 : 0) | static_cast<uint8_t>(opcode)));
  if (payload_size < kTwoBytes) {
    out.push_back(static_cast<char>(payload_size));
  } else if (payload_size < 0x10000) {
    out.push_back(static_cast<char>(kTwoBytes));
    append_number(payload_size, 2, out);
  } else {
    out.push_back(static_cast<char>(kEightBytes));
    append_number(payload_size, 8, out);
  }
}

void append_ws_frame(WsOpcode opcode, std::string_view payload, std::string& out) {
  CHECK(!is_control(opcode) || payload.size() <= kLongestWsControl);
  append_ws_head(opcode, payload.size(), false, out);
  out += payload;
}

void append_ws_close(WsClose code, std::string_view reason, std::string& out) {
  if (code == WsClose::no_status) return append_ws_frame(WsOpcode::close, {}, out);
  std::string payload;
  append_number(static_cast<uint16_t>(code), 2, payload);
  payload += cut_at_character(reason, kLongestWsControl - 2);
  append_ws_frame(WsOpcode::close, payload, out);
}

}  // namespace banyan::http
