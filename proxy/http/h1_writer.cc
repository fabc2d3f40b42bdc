#include "http/h1_writer.h"

#include <charconv>
#include <cstring>

#include "base/check.h"
#include "http/chars.h"
#include "http/h1_field_line.h"
#include "http/h1_framing.h"

namespace banyan::http {
namespace {

constexpr std::string_view kVersionLineEnd = " HTTP/1.1\r\n";
constexpr size_t kFixedPart = 256;  // start line without its texts, framing and Connection fields
constexpr size_t kLongestNumber = 20;

// Writes into room made once at the end of a string.
class Pen {
 public:
  Pen(std::string& out, size_t room) : out_(out) {
    size_t size = out.size();
    out.resize(size + room);
    at_ = out.data() + size;
  }
  ~Pen() { out_.resize(static_cast<size_t>(at_ - out_.data())); }
  Pen(const Pen&) = delete;
  Pen& operator=(const Pen&) = delete;

  void put(std::string_view text) {
    if (text.empty()) return;
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void put_number(uint64_t number) { at_ = std::to_chars(at_, at_ + kLongestNumber, number).ptr; }
  void put_text(std::string_view text) { at_ = write_field_text(at_, text); }
  void put_field(const Field& field) { at_ = write_field_line(at_, field); }
  void put_field(FieldId id, std::string_view value) { put_field({field_name(id), value, id}); }
  void put_length(uint64_t length) {
    put("Content-Length: ");
    put_number(length);
    put("\r\n");
  }

 private:
  std::string& out_;
  char* at_;
};

size_t fields_bound(const Fields& fields) {
  size_t size = 0;
  for (const Field& field : fields) size += field_line_bound(field.name, field.value);
  return size;
}

bool may_stand_in_target(std::string_view text, bool query) {
  const char* end = text.data() + text.size();
  return chars::find_target_end(text.data(), end) == end && (query || text.find('?') == text.npos);
}

std::string encoded(std::string_view text, bool query) {
  constexpr char kHexDigits[] = "0123456789ABCDEF";
  std::string result;
  for (char c : text) {
    if (chars::is(c, chars::kTarget) && (query || c != '?')) {
      result += c;
    } else {
      uint8_t byte = static_cast<uint8_t>(c);
      result += {'%', kHexDigits[byte / 16], kHexDigits[byte % 16]};
    }
  }
  return result;
}

// The path and query of a request, with memory for the rare ones that have to be encoded.
class Target {
 public:
  explicit Target(const RequestHead& head)
      : path_(head.path), query_(head.query), has_query_(head.has_query) {
    if (!may_stand_in_target(path_, false)) path_ = path_text_ = encoded(path_, false);
    if (!may_stand_in_target(query_, true)) query_ = query_text_ = encoded(query_, true);
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  size_t bound() const { return path_.size() + query_.size() + 2; }
  void write(Pen& pen) const {
    if (path_ != "*" && !path_.starts_with('/')) pen.put("/");  // what a rewrite forgot
    pen.put(path_);
    if (!has_query_) return;
    pen.put("?");
    pen.put(query_);
  }

 private:
  std::string_view path_;
  std::string_view query_;
  bool has_query_;
  std::string path_text_;
  std::string query_text_;
};

bool expects_length(Method method) {
  return method == Method::post || method == Method::put || method == Method::patch;
}

// The line as a parser found it ("Name: value" CR LF), where that is just what write_field_line would write;
// else empty. It stands in the read buffer of the parsed head, often next to its neighbours.
std::string_view received_line(const Field& field) {
  const char* name_end = field.name.data() + field.name.size();
  // A value that a parser has checked has a line end behind it; one from elsewhere stands elsewhere.
  if (!field.checked || field.value.data() != name_end + 2) return {};
  const char* end = field.value.data() + field.value.size();
  if (name_end[0] != ':' || name_end[1] != ' ' || end[0] != '\r' || end[1] != '\n') return {};
  return {field.name.data(), static_cast<size_t>(end + 2 - field.name.data())};
}

// All but those of `omitted`.
void put_fields(Pen& pen, const Fields& fields, FieldSet omitted) {
  std::string_view lines;  // received ones that stand next to each other: copied at once
  for (const Field& field : fields) {
    if (omitted.contains(field.id)) continue;
    std::string_view line = received_line(field);
    if (!line.empty() && line.data() == lines.data() + lines.size()) {
      lines = {lines.data(), lines.size() + line.size()};
      continue;
    }
    pen.put(lines);
    lines = line;
    if (line.empty()) pen.put_field(field);
  }
  pen.put(lines);
}

void put_framing(Pen& pen, Framing framing, uint64_t size) {
  if (framing == Framing::sized) pen.put_length(size);
  if (framing == Framing::chunked) pen.put("Transfer-Encoding: chunked\r\n");
}

// For a response that has no body whatever its fields say: the size it would have had.
void put_described_length(Pen& pen, const ResponseHead& head) {
  if (head.body.kind == BodyKind::sized) return pen.put_length(head.body.size);
  if (auto length = parse_content_length(head.fields.get(FieldId::content_length))) pen.put_length(*length);
}

void put_status_line(Pen& pen, const ResponseHead& head) {
  int status = head.status >= 100 && head.status <= 999 ? head.status : 500;
  pen.put("HTTP/1.1 ");
  pen.put_number(static_cast<uint64_t>(status));
  pen.put(" ");
  pen.put_text(head.reason.empty() ? reason_phrase(status) : head.reason);
  pen.put("\r\n");
}

void put_response_framing(Pen& pen, const ResponseHead& head, const ResponseOptions& options) {
  if (head.status < 200 || head.status == 204) return;
  if (options.framing != Framing::none) return put_framing(pen, options.framing, head.body.size);
  if (has_no_body(options.request_method, head.status)) return put_described_length(pen, head);
  pen.put_length(0);
}

}  // namespace

void write_request_head(const RequestHead& head, const RequestOptions& options, std::string& out) {
  CHECK(chars::is_token(head.method_text));
  Target target(head);
  Pen pen(out, kFixedPart + head.method_text.size() + target.bound() + head.host.size() +
                   head.upgrade.size() + fields_bound(head.fields));
  pen.put(head.method_text);
  pen.put(" ");
  target.write(pen);
  pen.put(kVersionLineEnd);
  pen.put_field(FieldId::host, head.host);
  FieldSet omitted = kHopByHopFields;
  omitted.add(FieldId::host);
  put_fields(pen, head.fields, omitted);
  put_framing(pen, options.framing, head.body.size);
  if (options.framing == Framing::none && expects_length(head.method)) pen.put_length(0);
  if (!head.upgrade.empty()) {
    pen.put("Connection: Upgrade\r\n");
    pen.put_field(FieldId::upgrade, head.upgrade);
  } else if (!options.keep_alive) {
    pen.put("Connection: close\r\n");
  }
  pen.put("\r\n");
}

void write_response_head(const ResponseHead& head, const ResponseOptions& options, std::string& out) {
  const bool says_upgrade = options.upgrade || head.status == 426;
  std::string_view upgrade = says_upgrade ? head.fields.get(FieldId::upgrade) : std::string_view();
  Pen pen(out, kFixedPart + head.reason.size() + upgrade.size() + fields_bound(head.fields));
  put_status_line(pen, head);
  put_fields(pen, head.fields, kHopByHopFields);
  if (options.upgrade || !upgrade.empty()) {
    pen.put("Connection: Upgrade\r\n");
    pen.put_field(FieldId::upgrade, upgrade);
  }
  if (!options.upgrade && !options.interim) {
    put_response_framing(pen, head, options);
    if (!options.keep_alive || options.framing == Framing::until_close) {
      pen.put("Connection: close\r\n");
    } else if (options.old_client) {
      pen.put("Connection: keep-alive\r\n");
    }
  }
  pen.put("\r\n");
}

}  // namespace banyan::http
