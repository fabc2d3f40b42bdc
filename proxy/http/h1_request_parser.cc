#include <fmt/format.h>

#include <cstring>

#include "base/check.h"
#include "http/authority.h"
#include "http/chars.h"
#include "http/h1_framing.h"
#include "http/h1_head_reader.h"
#include "http/h1_parser.h"

namespace banyan::http {
namespace {

constexpr size_t kLongestMethod = 32;
constexpr int kMostEmptyLines = 2;

class RequestParser {
 public:
  RequestParser(const char* base, size_t size, const H1Limits& limits, H1HeadProgress& progress,
                RequestHead& head)
      : limits_(limits),
        progress_(progress),
        head_(head),
        reader_(base, size, limits, MessageErrors(Fault::client), progress) {}

  Result<size_t> parse() {
    if (!progress_.start_line_done) {
      Result<bool> done = read_request_line();
      if (!done) return std::move(done).error();
      if (!*done) return size_t{0};
      progress_.start_line_done = true;
    }
    Result<bool> done = reader_.read_fields(limits_.underscores, head_.fields);
    if (!done) return std::move(done).error();
    if (!*done) return size_t{0};
    if (Result<void> finished = finish(); !finished) return std::move(finished).error();
    return progress_.line;
  }

 private:
  static Error wrong(std::string message, int status = 400) {
    return client_error(status, std::move(message));
  }

  Result<bool> read_request_line() {
    while (reader_.begin_line()) {
      const char* at = reader_.line();
      if (at == reader_.cap()) return reader_.out_of_bytes(true);
      if (*at != '\r' && *at != '\n') return parse_request_line(at);
      if (auto error = reader_.line_end_error(at, "request line")) return std::move(*error);
      if (at + 1 == reader_.cap()) return reader_.out_of_bytes(true);
      if (++progress_.empty_lines > kMostEmptyLines) return wrong("empty lines instead of a request");
      reader_.end_line(at + 2);
    }
    return false;
  }

  Result<bool> parse_request_line(const char* method) {
    const char* cap = reader_.cap();
    const char* method_end = chars::find_token_end(method, cap).at;
    size_t method_size = static_cast<size_t>(method_end - method);
    if (method_size > kLongestMethod) return wrong("method longer than 32 bytes", 501);
    if (method_end == cap) return reader_.out_of_bytes(true);
    if (*method_end != ' ' || method_size == 0) return bad_byte("method", *method_end);

    const char* target = method_end + 1;
    const char* target_end = chars::find_target_end(target, cap);
    if (target_end == cap) return reader_.out_of_bytes(true);
    if (*target_end != ' ' || target_end == target) return bad_byte("request-target", *target_end);

    const char* next = nullptr;
    Result<bool> version = parse_version(target_end + 1, next);
    if (!version || !*version) return version;
    head_.method_text = {method, method_size};
    head_.method = parse_method(head_.method_text);
    head_.target = {target, static_cast<size_t>(target_end - target)};
    if (Result<void> done = apply_target(); !done) return std::move(done).error();
    reader_.end_line(next);
    return true;
  }

  static Error bad_byte(std::string_view where, char byte) {
    if (byte == '#') return wrong("request-target with a fragment");
    if (byte == '\r' || byte == '\n') return wrong(fmt::format("request line ends after its {}", where));
    return wrong(fmt::format("{}: byte 0x{:02x} is not allowed", where, static_cast<uint8_t>(byte)));
  }

  // "HTTP/" DIGIT "." DIGIT CR LF
  Result<bool> parse_version(const char* at, const char*& next) {
    constexpr std::string_view kUsual = "HTTP/1.1\r\n";
    const char* cap = reader_.cap();
    next = at + kUsual.size();
    head_.minor_version = 1;
    if (cap - at >= static_cast<ptrdiff_t>(kUsual.size()) && !std::memcmp(at, kUsual.data(), kUsual.size()))
      return true;
    for (size_t i = 0; i < kUsual.size(); ++i) {
      if (at + i == cap) return reader_.out_of_bytes(true);
      bool digit = kUsual[i] == '1';
      if (digit ? chars::is(at[i], chars::kDigit) : at[i] == kUsual[i]) continue;
      return wrong(fmt::format("version: byte 0x{:02x} where \"HTTP/1.1\" and CR LF should be",
                               static_cast<uint8_t>(at[i])));
    }
    if (at[5] != '1') return wrong(fmt::format("HTTP/{}.{} is not spoken here", at[5], at[7]), 505);
    if (at[7] == '0') head_.minor_version = 0;
    return true;
  }

  // RFC 9112 section 3.2.
  Result<void> apply_target() {
    if (head_.method == Method::connect) return wrong("CONNECT is not accepted", 405);
    if (head_.target.front() == '/') return apply_path(head_.target);
    if (head_.target == "*") {
      if (head_.method != Method::options) return wrong("request-target \"*\" is for OPTIONS only");
      head_.path = head_.target;
      return {};
    }
    return apply_absolute_form();
  }

  Result<void> apply_path(std::string_view target) {
    size_t question = target.find('?');
    if (question != target.npos) {
      head_.has_query = true;
      head_.query = target.substr(question + 1);
      target = target.substr(0, question);
    }
    Result<std::string_view> path = normalise_path(target, limits_.path, head_.text);
    if (!path) return std::move(path).error();
    head_.path = *path;
    return {};
  }

  Result<void> apply_absolute_form() {
    std::string_view rest = head_.target;
    size_t scheme_end = rest.find("://");
    std::string_view scheme = rest.substr(0, scheme_end);
    if (scheme_end == rest.npos ||
        !(equal_ignoring_case(scheme, "http") || equal_ignoring_case(scheme, "https"))) {
      return wrong("request-target is neither a path nor an http URI");
    }
    rest.remove_prefix(scheme_end + 3);
    size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
    if (authority_end == 0) return wrong("request-target without a host");
    Result<std::string_view> host = parse_authority(rest.substr(0, authority_end));
    if (!host) return std::move(host).error();
    head_.host = *host;
    rest.remove_prefix(authority_end);
    if (rest.empty()) {
      head_.path = head_.method == Method::options ? "*" : "/";
      return {};
    }
    if (rest.front() == '/') return apply_path(rest);
    head_.path = "/";
    head_.has_query = true;
    head_.query = rest.substr(1);
    return {};
  }

  // What only the fields all together tell.
  Result<void> finish() {
    if (progress_.repeated & field_bit(FieldId::host)) return wrong("more than one Host");
    if (progress_.repeated & field_bit(FieldId::content_length)) return wrong("more than one Content-Length");
    if (head_.minor_version > 0 && !seen(FieldId::host)) return wrong("HTTP/1.1 request without Host");
    constexpr uint64_t kLookedAt = field_bit(FieldId::host) | field_bit(FieldId::content_length) |
                                   field_bit(FieldId::transfer_encoding) | field_bit(FieldId::connection) |
                                   field_bit(FieldId::expect) | field_bit(FieldId::upgrade);
    if (progress_.seen & kLookedAt) {
      for (const Field& field : head_.fields) {
        if (!(kLookedAt & field_bit(field.id))) continue;
        if (Result<void> done = apply(field); !done) return done;
      }
    }
    if (Result<void> done = apply_framing(); !done) return done;
    if (Result<void> done = apply_connection(); !done) return done;
    if (!has_body() || head_.minor_version == 0) head_.expect_continue = false;
    return {};
  }

  Result<void> apply(const Field& field) {
    switch (field.id) {
      case FieldId::host: {
        Result<std::string_view> host = parse_authority(field.value);
        if (!host) return std::move(host).error();
        if (head_.target.front() == '/' || head_.target == "*") head_.host = *host;
        break;
      }
      case FieldId::content_length: {
        std::optional<uint64_t> length = parse_content_length(field.value);
        if (!length) return wrong("Content-Length is not a number, or too large");
        head_.body = {BodyKind::sized, *length};
        break;
      }
      case FieldId::transfer_encoding:
        codings_.add(field.value);
        break;
      case FieldId::connection:
        connection_.add(field.value);
        break;
      case FieldId::expect:
        if (head_.minor_version == 0) break;
        if (!equal_ignoring_case(field.value, "100-continue"))
          return wrong("Expect other than 100-continue", 417);
        head_.expect_continue = true;
        break;
      case FieldId::upgrade:
        add_upgrade(field.value);
        break;
      default:
        CHECK(false);
    }
    return {};
  }

  Result<void> apply_framing() {
    if (seen(FieldId::transfer_encoding)) {
      if (seen(FieldId::content_length)) return wrong("both Transfer-Encoding and Content-Length");
      if (head_.minor_version == 0) return wrong("Transfer-Encoding in HTTP/1.0");
      switch (codings_.verdict()) {
        case TransferCodings::Verdict::chunked:
          break;
        case TransferCodings::Verdict::unknown:
          return wrong("transfer coding other than chunked", 501);
        case TransferCodings::Verdict::faulty:
          return wrong("Transfer-Encoding is not exactly \"chunked\"");
      }
      head_.body = {BodyKind::streamed, 0};
    }
    if (head_.method == Method::trace && has_body()) return wrong("TRACE with a body");
    return {};
  }

  Result<void> apply_connection() {
    if (connection_.malformed) return wrong("Connection is not a list of up to 32 tokens");
    if (!connection_.protected_name.empty()) {
      return wrong(fmt::format("Connection names \"{}\"", connection_.protected_name));
    }
    head_.keep_alive = !connection_.close && (head_.minor_version > 0 || connection_.keep_alive);
    const bool one = protocols_ == 1 || is_websocket(head_.upgrade);
    bool upgrade = connection_.upgrade && head_.minor_version > 0 && !has_body() && !bad_protocol_ && one &&
                   !equal_ignoring_case(protocol_name(head_.upgrade), "h2c");
    if (!upgrade) head_.upgrade = {};
    return {};
  }

  // A list (RFC 9110 section 7.8), of which a WebSocket is preferred to everything else.
  void add_upgrade(std::string_view value) {
    each_list_element(value, [&](std::string_view protocol) {
      ++protocols_;
      bad_protocol_ |= !is_protocol(protocol);
      if (!is_websocket(head_.upgrade)) head_.upgrade = protocol;
    });
  }

  static bool is_websocket(std::string_view protocol) { return equal_ignoring_case(protocol, "websocket"); }

  static std::string_view protocol_name(std::string_view protocol) {
    return protocol.substr(0, protocol.find('/'));
  }

  // protocol-name ["/" protocol-version]
  static bool is_protocol(std::string_view text) {
    const std::string_view name = protocol_name(text);
    return chars::is_token(name) &&
           (name.size() == text.size() || chars::is_token(text.substr(name.size() + 1)));
  }

  bool has_body() const { return !head_.body.is_empty(); }

  bool seen(FieldId id) const { return progress_.seen & field_bit(id); }

  const H1Limits& limits_;
  H1HeadProgress& progress_;
  RequestHead& head_;
  HeadReader reader_;
  TransferCodings codings_;
  ConnectionOptions connection_;
  unsigned protocols_ = 0;     // in Upgrade
  bool bad_protocol_ = false;  // among them
};

void move_views(RequestHead& head, const char* from, size_t size, const char* to) {
  for (std::string_view* view : {&head.method_text, &head.target, &head.path, &head.query, &head.host}) {
    move_view(*view, from, size, to);
  }
  move_views(head.fields, from, size, to);
}

}  // namespace

Result<size_t> parse_request_head(const BlockRef& block, size_t begin, size_t end, const H1Limits& limits,
                                  H1HeadProgress& progress, RequestHead& head) {
  CHECK(begin <= end && end <= block.capacity());
  const char* base = block.bytes() + begin;
  if (!progress.base) {
    head.clear();
  } else if (progress.base != base) {
    move_views(head, progress.base, progress.line, base);
  }
  progress.base = base;
  Result<size_t> size = RequestParser(base, end - begin, limits, progress, head).parse();
  if (size.ok() && *size > 0) head.storage = block;
  return size;
}

}  // namespace banyan::http
