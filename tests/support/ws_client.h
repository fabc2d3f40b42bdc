// What a WebSocket client sends: masked frames, for tests.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/ws_frame.h"

namespace banyan::support {

struct ClientFrame {
  http::WsOpcode opcode = http::WsOpcode::text;
  bool fin = true;
  bool rsv1 = false;
};

// One frame with a fixed masking key.
inline std::string client_frame(const ClientFrame& frame, std::string_view payload) {
  constexpr std::array<uint8_t, 4> kMask = {0x37, 0xfa, 0x21, 0x3d};
  std::string bytes;
  http::append_ws_head(frame.opcode, payload.size(), frame.rsv1, bytes);
  if (!frame.fin) bytes[0] = static_cast<char>(bytes[0] & 0x7f);
  bytes[1] = static_cast<char>(bytes[1] | 0x80);
  bytes.append(reinterpret_cast<const char*>(kMask.data()), kMask.size());
  std::string masked(payload);
  http::apply_ws_mask(masked, kMask, 0);
  return bytes + masked;
}

}  // namespace banyan::support
