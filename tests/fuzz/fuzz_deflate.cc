// permessage-deflate: any bytes decompressed, never to more than was allowed and the same in any portions;
// any payload compressed and back; any offer of the extension.
#include <string>

#include "base/check.h"
#include "fuzz/input.h"
#include "http/ws_deflate.h"

namespace banyan::http {
namespace {

constexpr size_t kMost = 4096;

std::string inflated(std::string_view bytes, size_t portion) {
  WsInflate inflate;
  std::string out;
  WsInflate::Outcome outcome = WsInflate::Outcome::ok;
  while (!bytes.empty() && outcome == WsInflate::Outcome::ok) {
    outcome = inflate.add(bytes.substr(0, portion), kMost, out);
    bytes.remove_prefix(std::min(portion, bytes.size()));
    CHECK(out.size() <= kMost);
  }
  if (outcome == WsInflate::Outcome::ok) outcome = inflate.finish(kMost, out);
  CHECK(out.size() <= kMost);
  // Where exactly it goes wrong hangs on the portions.
  return outcome == WsInflate::Outcome::ok ? "ok " + out : "not ok";
}

void check_round_trip(std::string_view payload, uint8_t bits) {
  const auto packed = ws_compress(payload, {.server_window_bits = static_cast<uint8_t>(9 + bits % 7)});
  if (!packed) return;
  CHECK(packed->size() < payload.size());
  WsInflate inflate;
  std::string out;
  CHECK(inflate.add(*packed, payload.size(), out) == WsInflate::Outcome::ok);
  CHECK(inflate.finish(payload.size(), out) == WsInflate::Outcome::ok && out == payload);
}

void check(fuzz::Input input) {
  const uint8_t bits = input.byte();
  const std::string bytes(input.all());
  const std::string whole = inflated(bytes, bytes.size());
  for (size_t portion : {1, 3, 64}) CHECK(inflated(bytes, portion) == whole);
  check_round_trip(bytes, bits);
  if (const auto chosen = choose_ws_deflate(bytes)) {
    CHECK(chosen->server_window_bits >= 9 && chosen->server_window_bits <= 15);
    CHECK(ws_deflate_answer(*chosen).starts_with("permessage-deflate"));
  }
}

}  // namespace
}  // namespace banyan::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size <= 16 * 1024) banyan::http::check({data, size});
  return 0;
}
