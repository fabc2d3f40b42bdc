// Frames of the WebSocket protocol (RFC 6455 section 5.2).
//
//   byte 0   FIN RSV1 RSV2 RSV3 opcode(4)
//   byte 1   MASK size(7)              126: 2 bytes of size follow, 127: 8 bytes
//            masking key (4 bytes, if MASK)
//            payload
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace banyan::http {

enum class WsOpcode : uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};
constexpr bool is_control(WsOpcode opcode) { return static_cast<uint8_t>(opcode) >= 8; }

// Status codes of a close frame (RFC 6455 section 7.4.1 and the IANA registry).
enum class WsClose : uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported_data = 1003,
  no_status = 1005,  // never sent: a close frame without a code
  invalid_payload = 1007,
  policy_violation = 1008,
  message_too_big = 1009,
  internal_error = 1011,
  service_restart = 1012,
  try_again_later = 1013,
};
// True for a code that may stand in a close frame.
bool may_be_sent(uint16_t code);

inline constexpr size_t kLongestWsHead = 14;
inline constexpr size_t kLongestWsControl = 125;  // payload of a control frame

struct WsFrameHead {
  bool fin = true;
  bool rsv1 = false;
  WsOpcode opcode = WsOpcode::text;
  bool masked = false;
  std::array<uint8_t, 4> mask{};
  uint64_t size = 0;  // of the payload
};

struct WsHeadParse {
  size_t head_size = 0;    // 0: more bytes are needed
  std::string_view wrong;  // what is wrong, a protocol error (1002); static text
  WsFrameHead head;        // if head_size > 0
};
// Reads a frame's head from the first bytes of a frame, at most kLongestWsHead of them. Wrong are: reserved
// bits 2 and 3, reserved opcodes, fragmented or long control frames, sizes not in their shortest form or with
// the topmost bit. What depends on the connection (masking, RSV1, order of fragments) is the caller's.
WsHeadParse parse_ws_head(std::string_view bytes);

// XORs the bytes with the key, as if they began `offset` bytes into the payload. Masks and unmasks.
void apply_ws_mask(std::span<char> bytes, const std::array<uint8_t, 4>& mask, uint64_t offset);

// Appends the head of a frame from server to client, which is not masked.
void append_ws_head(WsOpcode opcode, uint64_t payload_size, bool compressed, std::string& out);
// Appends a whole frame.
void append_ws_frame(WsOpcode opcode, std::string_view payload, std::string& out);
// Appends a close frame; no payload for WsClose::no_status. The reason is cut to what a control frame holds,
// at a character's border. REQUIRES: reason is UTF-8.
void append_ws_close(WsClose code, std::string_view reason, std::string& out);

}  // namespace banyan::http
