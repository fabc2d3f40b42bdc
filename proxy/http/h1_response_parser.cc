#include <fmt/format.h>

#include <cstring>

#include "base/check.h"
#include "http/chars.h"
#include "http/h1_framing.h"
#include "http/h1_head_reader.h"
#include "http/h1_parser.h"

namespace banyan::http {
namespace {

class ResponseParser {
 public:
  ResponseParser(const char* base, size_t size, const H1Limits& limits, Method method,
                 H1HeadProgress& progress, ResponseHead& head)
      : method_(method),
        progress_(progress),
        head_(head),
        reader_(base, size, limits, MessageErrors(Fault::upstream), progress) {}

  Result<ResponseParse> parse() {
    if (!progress_.start_line_done) {
      Result<bool> done = read_status_line();
      if (!done) return std::move(done).error();
      if (!*done) return ResponseParse{};
      progress_.start_line_done = true;
    }
    // Names with '_' are the server's own business.
    Result<bool> done = reader_.read_fields(Underscores::accept, head_.fields);
    if (!done) return std::move(done).error();
    if (!*done) return ResponseParse{};
    if (Result<void> finished = finish(); !finished) return std::move(finished).error();
    return ResponseParse{progress_.line, until_close_};
  }

 private:
  static Error wrong(std::string message) {
    return upstream_error(502, "http_protocol_error", std::move(message));
  }
  static Error wrong_coding(std::string message) {
    return upstream_error(502, "http_response_transfer_coding", std::move(message));
  }

  // "HTTP/1." DIGIT " " 3DIGIT [" " reason] CR LF
  Result<bool> read_status_line() {
    constexpr std::string_view kBeginning = "HTTP/1.1 200";
    if (!reader_.begin_line()) return false;
    const char* at = reader_.line();
    const char* cap = reader_.cap();
    for (size_t i = 0; i < kBeginning.size(); ++i) {
      if (at + i == cap) return reader_.out_of_bytes(true);
      bool digit = i == 7 || i > 8;
      if (digit ? chars::is(at[i], chars::kDigit) : at[i] == kBeginning[i]) continue;
      return wrong(fmt::format("status line: byte 0x{:02x} where \"HTTP/1.1 200\" or the like should be",
                               static_cast<uint8_t>(at[i])));
    }
    const char* reason = at + kBeginning.size();
    if (reason == cap) return reader_.out_of_bytes(true);
    if (*reason == ' ') ++reason;
    const char* end = chars::find_value_end(reason, cap);
    if (end == cap) return reader_.out_of_bytes(true);
    if (auto error = reader_.line_end_error(end, "status line")) return std::move(*error);
    if (end + 1 == cap) return reader_.out_of_bytes(true);
    if (reason == at + kBeginning.size() && end > reason) return wrong("status of more than three digits");
    reader_.end_line(end + 2);

    head_.minor_version = at[7] == '0' ? 0 : 1;
    head_.status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    if (head_.status < 100 || head_.status > 599) return wrong(fmt::format("status {}", head_.status));
    head_.reason = {reason, static_cast<size_t>(end - reason)};
    return true;
  }

  Result<void> finish() {
    if (progress_.repeated & field_bit(FieldId::content_length)) return wrong("more than one Content-Length");
    for (const Field& field : head_.fields) {
      switch (field.id) {
        case FieldId::content_length:
          length_ = parse_content_length(field.value);
          if (!length_) return wrong("Content-Length is not a number, or too large");
          break;
        case FieldId::transfer_encoding:
          codings_.add(field.value);
          break;
        case FieldId::connection:
          connection_.add(field.value);
          break;
        default:
          break;
      }
    }
    if (connection_.malformed) return wrong("Connection is not a list of up to 32 tokens");
    head_.keep_alive = !connection_.close && (head_.minor_version > 0 || connection_.keep_alive);
    return apply_framing();
  }

  // RFC 9112 section 6.3.
  Result<void> apply_framing() {
    bool coded = progress_.seen & field_bit(FieldId::transfer_encoding);
    if (coded && length_) return wrong_coding("both Transfer-Encoding and Content-Length");
    if (coded && head_.minor_version == 0) return wrong_coding("Transfer-Encoding in HTTP/1.0");
    if (coded && codings_.verdict() == TransferCodings::Verdict::unknown) {
      return wrong_coding("transfer coding other than chunked");
    }
    if (coded && codings_.verdict() == TransferCodings::Verdict::faulty) {
      return wrong_coding("Transfer-Encoding is not exactly \"chunked\"");
    }
    if (has_no_body(method_, head_.status)) {
      // 304 and answers to HEAD say what the body would have been; from the others a body might follow all
      // the same.
      bool about_another = head_.status == 304 || (method_ == Method::head && head_.status >= 200);
      bool promised = coded || (length_ && *length_ > 0);
      if (promised && (!about_another || head_.status == 204)) head_.keep_alive = false;
    } else if (coded) {
      head_.body = {BodyKind::streamed, 0};
    } else if (length_) {
      head_.body = {BodyKind::sized, *length_};
    } else {
      head_.body = {BodyKind::streamed, 0};
      head_.keep_alive = false;
      until_close_ = true;
    }
    return {};
  }

  Method method_;
  H1HeadProgress& progress_;
  ResponseHead& head_;
  HeadReader reader_;
  std::optional<uint64_t> length_;
  TransferCodings codings_;
  ConnectionOptions connection_;
  bool until_close_ = false;
};

}  // namespace

Result<ResponseParse> parse_response_head(const BlockRef& block, size_t begin, size_t end,
                                          const H1Limits& limits, Method method, H1HeadProgress& progress,
                                          ResponseHead& head) {
  CHECK(begin <= end && end <= block.capacity());
  const char* base = block.bytes() + begin;
  if (!progress.base) {
    head.clear();
  } else if (progress.base != base) {
    move_view(head.reason, progress.base, progress.line, base);
    move_views(head.fields, progress.base, progress.line, base);
  }
  progress.base = base;
  Result<ResponseParse> parsed = ResponseParser(base, end - begin, limits, method, progress, head).parse();
  if (parsed.ok() && parsed->consumed > 0) head.storage = block;
  return parsed;
}

}  // namespace banyan::http
