// permessage-deflate (RFC 7692), without context take-over in either direction: every message stands for
// itself, so an event is compressed once for all who agreed on the same window, and a silent connection keeps
// no memory for it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace banyan::http {

struct WsDeflate {
  uint8_t server_window_bits = 15;  // 9 to 15: of what we send
  bool echo_server_bits = false;    // they were asked for, so the answer says them (RFC 7692 section 7.1.2.1)
  bool operator==(const WsDeflate&) const = default;
};

// Chooses the first offer of the extension that can be kept (RFC 7692 section 7.1) from the values of all
// Sec-WebSocket-Extensions fields, joined by commas. Nothing when there is none: the connection goes on
// without compression.
std::optional<WsDeflate> choose_ws_deflate(std::string_view extensions);
// The value of our Sec-WebSocket-Extensions field.
std::string ws_deflate_answer(const WsDeflate& chosen);

// Compresses a message's payload (RFC 7692 section 7.2.1). Nothing when memory is short, or it would not
// become smaller: send it as it is.
std::optional<std::string> ws_compress(std::string_view payload, const WsDeflate& agreed);

// Decompresses one message (RFC 7692 section 7.2.2), part by part.
class WsInflate {
 public:
  WsInflate();
  ~WsInflate();
  WsInflate(const WsInflate&) = delete;
  WsInflate& operator=(const WsInflate&) = delete;

  enum class Outcome { ok, malformed, too_big };
  // Appends what becomes of the part to `out`, which may grow to `most` bytes; work and memory are bounded by
  // that, whatever was sent.
  Outcome add(std::string_view part, size_t most, std::string& out);
  // The message's end was seen.
  Outcome finish(size_t most, std::string& out);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace banyan::http
