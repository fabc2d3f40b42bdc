#include "http/ws_deflate.h"

#include <fmt/format.h>
#include <zlib.h>

#include <charconv>

#include "http/chars.h"
#include "http/fields.h"

namespace banyan::http {
namespace {

// What a message's compressed data end with, and what is therefore not sent.
constexpr std::string_view kTail("\x00\x00\xff\xff", 4);
// zlib turns a raw window of 8 bits into one of 9, which who asked for 8 could not read.
constexpr int kLeastBits = 9, kMostBits = 15;

struct Parameter {
  std::string_view name;
  std::string_view value;
  bool has_value = false;
};

Parameter parse_parameter(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == text.npos) return {chars::trim(text), {}, false};
  std::string_view value = chars::trim(text.substr(equals + 1));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  return {chars::trim(text.substr(0, equals)), value, true};
}

// 8 to 15 without leading zeros, or nothing.
std::optional<int> parse_bits(const Parameter& parameter) {
  int bits = 0;
  const char* end = parameter.value.data() + parameter.value.size();
  auto [stop, error] = std::from_chars(parameter.value.data(), end, bits);
  if (error != std::errc() || stop != end || parameter.value.starts_with('0') || bits < 8 ||
      bits > kMostBits) {
    return std::nullopt;
  }
  return bits;
}

// Takes the parameters of one offer, each at most once; nothing if one of them is unknown or cannot be kept.
class Offer {
 public:
  bool take(const Parameter& parameter) {
    if (equal_ignoring_case(parameter.name, "server_no_context_takeover")) {
      return !parameter.has_value && first(0);
    }
    if (equal_ignoring_case(parameter.name, "client_no_context_takeover")) {
      return !parameter.has_value && first(1);
    }
    if (equal_ignoring_case(parameter.name, "client_max_window_bits")) {
      return first(2) && (!parameter.has_value || parse_bits(parameter));
    }
    if (!equal_ignoring_case(parameter.name, "server_max_window_bits") || !first(3)) return false;
    const std::optional<int> bits = parse_bits(parameter);
    if (!bits || *bits < kLeastBits) return false;
    chosen_.server_window_bits = static_cast<uint8_t>(*bits);
    chosen_.echo_server_bits = true;
    return true;
  }
  const WsDeflate& chosen() const { return chosen_; }

 private:
  bool first(int which) {
    const int bit = 1 << which;
    if (seen_ & bit) return false;
    seen_ |= bit;
    return true;
  }
  int seen_ = 0;
  WsDeflate chosen_;
};

std::optional<WsDeflate> read_offer(std::string_view text) {
  size_t end = text.find(';');
  if (!equal_ignoring_case(chars::trim(text.substr(0, end)), "permessage-deflate")) return std::nullopt;
  Offer offer;
  while (end != text.npos) {
    text.remove_prefix(end + 1);
    end = text.find(';');
    if (!offer.take(parse_parameter(text.substr(0, end)))) return std::nullopt;
  }
  return offer.chosen();
}

Bytef* input_of(std::string_view text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib only reads it
}

}  // namespace

std::optional<WsDeflate> choose_ws_deflate(std::string_view extensions) {
  std::optional<WsDeflate> chosen;
  each_list_element(extensions, [&](std::string_view offer) {
    if (!chosen) chosen = read_offer(offer);
  });
  return chosen;
}

std::string ws_deflate_answer(const WsDeflate& chosen) {
  std::string answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  if (chosen.echo_server_bits) {
    answer += fmt::format("; server_max_window_bits={}", chosen.server_window_bits);
  }
  return answer;
}

std::optional<std::string> ws_compress(std::string_view payload, const WsDeflate& agreed) {
  z_stream stream{};
  constexpr int kMemoryLevel = 8;
  if (payload.size() > UINT32_MAX / 2 ||
      deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -agreed.server_window_bits, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return std::nullopt;
  }
  std::string out(deflateBound(&stream, payload.size()) + 16, '\0');
  stream.next_in = input_of(payload);
  stream.avail_in = static_cast<uInt>(payload.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool done = deflate(&stream, Z_SYNC_FLUSH) == Z_OK && stream.avail_in == 0 && stream.avail_out > 0;
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  if (!done || !out.ends_with(kTail) || out.size() - kTail.size() >= payload.size()) return std::nullopt;
  out.resize(out.size() - kTail.size());
  return out;
}

struct WsInflate::Stream {
  z_stream z{};
  bool ready = false;
};

WsInflate::WsInflate() : stream_(std::make_unique<Stream>()) {
  stream_->ready = inflateInit2(&stream_->z, -kMostBits) == Z_OK;
}

WsInflate::~WsInflate() {
  if (stream_->ready) inflateEnd(&stream_->z);
}

WsInflate::Outcome WsInflate::add(std::string_view part, size_t most, std::string& out) {
  if (!stream_->ready) return Outcome::too_big;  // there was no memory for it
  z_stream& z = stream_->z;
  z.next_in = input_of(part);
  z.avail_in = static_cast<uInt>(part.size());
  char room[16 * 1024];
  do {
    z.next_out = reinterpret_cast<Bytef*>(room);
    z.avail_out = sizeof room;
    const int result = inflate(&z, Z_SYNC_FLUSH);
    const size_t made = sizeof room - z.avail_out;
    if (made > most - out.size()) return Outcome::too_big;
    out.append(room, made);
    // RFC 7692 section 7.2.3.4: a last block may come, and others behind it.
    if (result == Z_STREAM_END) {
      if (inflateReset(&z) != Z_OK) return Outcome::malformed;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return Outcome::malformed;
    }
    if (made == 0 && result == Z_BUF_ERROR) break;
  } while (z.avail_in > 0 || z.avail_out == 0);
  return z.avail_in == 0 ? Outcome::ok : Outcome::malformed;
}

WsInflate::Outcome WsInflate::finish(size_t most, std::string& out) { return add(kTail, most, out); }

}  // namespace banyan::http
