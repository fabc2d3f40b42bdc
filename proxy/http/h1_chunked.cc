#include "http/h1_chunked.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "http/chars.h"
#include "http/h1_field_line.h"
#include "http/h1_head_reader.h"

namespace banyan::http {
namespace {

constexpr uint8_t kMostDigits = 16;
constexpr uint64_t kMostSize = INT64_MAX;
constexpr const char* kNotALineEnd = "chunk: a CR or LF that is not CR LF";

// Of the names without a FieldId, those that RFC 9110 section 6.5.1 keeps out of trailers.
constexpr std::string_view kForbiddenTrailers[] = {
    "Age",
    "Allow",
    "Cache-Control",
    "Content-Language",
    "Content-Location",
    "Content-Range",
    "Expires",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Max-Forwards",
    "Pragma",
    "Range",
    "Vary",
    "Warning",
    "WWW-Authenticate",
};

}  // namespace

void ChunkedDecoder::reset() {
  state_ = State::size;
  digits_ = 0;
  extension_bytes_ = 0;
  left_ = 0;
  trailer_bytes_.clear();
  trailer_progress_ = {};
  trailers_.clear();
}

Result<ChunkedDecoder::Step> ChunkedDecoder::decode(std::string_view input) {
  size_t at = 0;
  while (at < input.size()) {
    if (state_ == State::data) {
      size_t size = std::min<uint64_t>(left_, input.size() - at);
      left_ -= size;
      if (left_ == 0) state_ = State::data_cr;
      return Step{at + size, input.substr(at, size), false};
    }
    if (state_ == State::trailers) {
      size_t consumed = 0;
      Result<bool> done = take_trailers(input.substr(at), consumed);
      if (!done) return std::move(done).error();
      if (*done) state_ = State::done;
      return Step{at + consumed, {}, *done};
    }
    if (const char* problem = take(input[at++])) {
      return MessageErrors(fault_).refused(400, "http_response_transfer_coding", problem);
    }
  }
  return Step{at, {}, false};
}

const char* ChunkedDecoder::take(char c) {
  switch (state_) {
    case State::size:
      return take_size(c);
    case State::size_lf:
      if (c != '\n') return kNotALineEnd;
      begin_chunk();
      return nullptr;
    case State::data_cr:
      if (c != '\r') return "chunk: data longer than its size";
      state_ = State::data_lf;
      return nullptr;
    case State::data_lf:
      if (c != '\n') return kNotALineEnd;
      state_ = State::size;
      digits_ = 0;
      left_ = 0;
      return nullptr;
    default:
      return take_extension(c);
  }
}

const char* ChunkedDecoder::take_size(char c) {
  if (int digit = chars::hex_value(c); digit >= 0) {
    if (++digits_ > kMostDigits) return "chunk: size of more than 16 digits";
    if (left_ > (kMostSize - static_cast<uint64_t>(digit)) / 16) return "chunk: size too large";
    left_ = left_ * 16 + static_cast<uint64_t>(digit);
    return nullptr;
  }
  if (digits_ == 0) return "chunk: no size";
  if (c == '\n') return kNotALineEnd;
  if (c != ';' && c != '\r') return "chunk: a character that is not allowed in its size";
  return end_extension(c);
}

const char* ChunkedDecoder::end_extension(char c) {
  state_ = c == '\r' ? State::size_lf : State::extension;
  return nullptr;
}

// *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )   RFC 9112 section 7.1.1
const char* ChunkedDecoder::take_extension(char c) {
  if (c == '\n') return kNotALineEnd;
  if (c != '\r' && ++extension_bytes_ > kMostExtensionBytes)
    return "chunk: extensions of more than 256 bytes";
  bool blank = chars::is_blank(c);
  bool token = chars::is(c, chars::kToken);
  bool ends = c == ';' || c == '\r';
  constexpr const char* kBad = "chunk: malformed extension";
  switch (state_) {
    case State::extension:
      if (blank) return nullptr;
      state_ = State::name;
      return token ? nullptr : kBad;
    case State::name:
      if (token) return nullptr;
      if (ends) return end_extension(c);
      state_ = c == '=' ? State::value : State::after_name;
      return c == '=' || blank ? nullptr : kBad;
    case State::after_name:
      if (c == ';') return end_extension(c);
      if (c == '=') state_ = State::value;
      return c == '=' || blank ? nullptr : kBad;
    case State::value:
      if (blank) return nullptr;
      state_ = c == '"' ? State::quoted_value : State::token_value;
      return c == '"' || token ? nullptr : kBad;
    case State::token_value:
      if (ends) return end_extension(c);
      if (blank) state_ = State::after_value;
      return blank || token ? nullptr : kBad;
    case State::quoted_value:
      if (c == '"') state_ = State::after_quotes;
      if (c == '\\') state_ = State::quoted_pair;
      return c == '"' || c == '\\' || chars::is(c, chars::kQuotedText) ? nullptr : kBad;
    case State::quoted_pair:
      state_ = State::quoted_value;
      return chars::is(c, chars::kFieldValue) ? nullptr : kBad;
    case State::after_quotes:
      if (ends) return end_extension(c);
      state_ = State::after_value;
      return blank ? nullptr : kBad;
    case State::after_value:
      if (c == ';') return end_extension(c);
      return blank ? nullptr : kBad;
    default:
      CHECK(false);
  }
}

void ChunkedDecoder::begin_chunk() { state_ = left_ > 0 ? State::data : State::trailers; }

// The bytes of trailers are copied, because they may be spread over any number of inputs; there are seldom
// any.
Result<bool> ChunkedDecoder::take_trailers(std::string_view input, size_t& consumed) {
  if (trailer_bytes_.empty() && input.starts_with("\r\n")) {
    consumed = 2;
    return true;
  }
  const char* old = trailer_bytes_.data();
  size_t held = trailer_bytes_.size();
  trailer_bytes_.append(input.substr(0, std::min(input.size(), kTrailerLimits.head - held)));
  move_views(trailers_, old, held, trailer_bytes_.data());
  HeadReader reader(trailer_bytes_.data(), trailer_bytes_.size(), kTrailerLimits, MessageErrors(fault_),
                    trailer_progress_);
  Result<bool> done = reader.read_fields(Underscores::drop, trailers_);
  if (!done) return trailer_error(std::move(done).error());
  consumed = *done ? trailer_progress_.line - held : trailer_bytes_.size() - held;
  if (*done) std::erase_if(trailers_.list(), is_forbidden_trailer);
  return done;
}

Error ChunkedDecoder::trailer_error(Error error) const {
  if (error.type == "http_response_header_section_size") error.type = "http_response_trailer_section_size";
  if (error.type == "http_response_header_size") error.type = "http_response_trailer_size";
  error.message = "trailer: " + error.message;
  return error;
}

bool is_forbidden_trailer(const Field& field) {
  // The names the proxy knows are those that it or the next hop acts on. RFC 9209 section 2 means
  // Proxy-Status for trailers, too.
  if (field.id != FieldId::other) return field.id != FieldId::proxy_status;
  for (std::string_view name : kForbiddenTrailers) {
    if (equal_ignoring_case(field.name, name)) return true;
  }
  constexpr std::string_view kPrefixes[] = {"x-forwarded-", "x-banyan-", "sec-"};
  return std::ranges::any_of(kPrefixes, [&](std::string_view prefix) {
    return equal_ignoring_case(field.name.substr(0, prefix.size()), prefix);
  });
}

void append_chunk_head(std::string& out, uint64_t size) {
  CHECK(size > 0);
  char head[kMostDigits + 2];
  char* end = std::to_chars(head, head + kMostDigits, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(head, static_cast<size_t>(end - head));
}

void append_last_chunk(std::string& out, const Fields& trailers) {
  out += "0\r\n";
  for (const Field& field : trailers) {
    if (!is_forbidden_trailer(field)) append_field_line(out, field.name, field.value);
  }
  out += "\r\n";
}

}  // namespace banyan::http
