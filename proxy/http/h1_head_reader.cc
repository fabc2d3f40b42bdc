#include "http/h1_head_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "http/chars.h"

namespace banyan::http {
namespace {

constexpr size_t kUsualFields = 32;  // room made at once, so that a list grows only once

std::string_view trim_end(const char* begin, const char* end) {
  while (end > begin && chars::is_blank(end[-1])) --end;
  return {begin, static_cast<size_t>(end - begin)};
}

// The beginning of a name, for messages.
std::string_view shortened(const char* name, const char* end) {
  return {name, std::min<size_t>(static_cast<size_t>(end - name), 64)};
}

}  // namespace

Error MessageErrors::malformed(std::string message) const {
  return refused(400, "http_protocol_error", std::move(message));
}

Error MessageErrors::refused(int status, std::string_view type, std::string message) const {
  return of_requests() ? client_error(status, std::move(message))
                       : upstream_error(502, type, std::move(message));
}

HeadReader::HeadReader(const char* base, size_t size, const H1Limits& limits, MessageErrors errors,
                       H1HeadProgress& progress)
    : base_(base),
      end_(base + std::min(size, limits.head)),
      limits_(limits),
      errors_(errors),
      progress_(progress) {}

// Whether the line has an end by now, of whatever kind, or can have none any more.
bool HeadReader::worth_another_look() {
  const char* from = base_ + progress_.scanned;
  if (line_capped_ || cap_ == base_ + limits_.head) return true;
  if (from < cap_ && std::memchr(from, '\n', static_cast<size_t>(cap_ - from))) return true;
  progress_.scanned = static_cast<size_t>(cap_ - base_);
  return false;
}

Result<bool> HeadReader::out_of_bytes(bool start_line) {
  if (line_capped_) {
    if (start_line) {
      return errors_.refused(414, "http_response_header_section_size",
                             fmt::format("start line longer than {} bytes", limits_.line));
    }
    return errors_.refused(431, "http_response_header_size",
                           fmt::format("field line longer than {} bytes", limits_.line));
  }
  progress_.scanned = static_cast<size_t>(cap_ - base_);
  if (progress_.scanned < limits_.head) return false;
  return errors_.refused(start_line ? 414 : 431, "http_response_header_section_size",
                         fmt::format("more than {} bytes before the end of the fields", limits_.head));
}

Error HeadReader::byte_error(std::string_view where, char byte) const {
  if (byte == '\n') return errors_.malformed(fmt::format("{}: LF without CR", where));
  if (byte == '\r') return errors_.malformed(fmt::format("{}: CR without LF", where));
  return errors_.malformed(
      fmt::format("{}: byte 0x{:02x} is not allowed", where, static_cast<uint8_t>(byte)));
}

std::optional<Error> HeadReader::line_end_error(const char* at, std::string_view where) const {
  if (*at != '\r') return byte_error(where, *at);
  if (at + 1 < cap_ && at[1] != '\n') return byte_error(where, '\r');
  return std::nullopt;
}

Error HeadReader::name_error(const char* name, const char* end) const {
  char byte = *end;
  if (chars::is_blank(byte)) {
    if (end == name) return errors_.malformed("folded line (a line that begins with a blank)");
    return errors_.malformed(fmt::format("blank after field name \"{}\"", shortened(name, end)));
  }
  if (byte == ':') return errors_.malformed("field without a name");
  if (byte == '\r')
    return errors_.malformed(fmt::format("field line without a colon: \"{}\"", shortened(name, end)));
  return byte_error("field name", byte);
}

Error HeadReader::value_error(const char* name, const char* name_end, char byte) const {
  return byte_error(fmt::format("value of field \"{}\"", shortened(name, name_end)), byte);
}

Error HeadReader::too_many_fields() const {
  return errors_.refused(431, "http_response_header_section_size",
                         fmt::format("more than {} fields", limits_.fields));
}

Error HeadReader::underscore_error(std::string_view name) const {
  return errors_.malformed(
      fmt::format("field name with \"_\": \"{}\"", shortened(name.data(), name.data() + name.size())));
}

Result<bool> HeadReader::read_fields(Underscores underscores, Fields& fields) {
  if (fields.list().capacity() < kUsualFields) fields.list().reserve(kUsualFields);
  while (begin_line()) {
    const char* cap = cap_;
    const char* at = line_;
    auto [name_end, plain] = chars::find_token_end(at, cap);
    if (name_end == cap) return out_of_bytes(false);
    if (name_end == at && *at == '\r') {
      if (auto error = line_end_error(at, "end of the fields")) return std::move(*error);
      if (at + 1 == cap) return out_of_bytes(false);
      end_line(at + 2);
      return true;
    }
    if (name_end == at || *name_end != ':') return name_error(at, name_end);
    const char* value = name_end + 1;
    while (value < cap && chars::is_blank(*value)) ++value;
    const char* value_end = chars::find_value_end(value, cap);
    if (value_end == cap) return out_of_bytes(false);
    if (*value_end != '\r') return value_error(at, name_end, *value_end);
    if (value_end + 1 == cap) return out_of_bytes(false);
    if (value_end[1] != '\n') return value_error(at, name_end, '\r');

    std::string_view name(at, static_cast<size_t>(name_end - at));
    end_line(value_end + 2);
    if (++progress_.fields > limits_.fields) return too_many_fields();
    if (!plain && underscores != Underscores::accept && name.find('_') != name.npos) {
      if (underscores == Underscores::reject) return underscore_error(name);
      continue;
    }
    FieldId id = find_field_id(name);
    progress_.repeated |= progress_.seen & field_bit(id);
    progress_.seen |= field_bit(id);
    fields.add({name, trim_end(value, value_end), id, true});
  }
  return false;
}

void move_view(std::string_view& view, const char* from, size_t size, const char* to) {
  // By number: the old place may not exist any more.
  uintptr_t offset = reinterpret_cast<uintptr_t>(view.data()) - reinterpret_cast<uintptr_t>(from);
  if (offset < size) view = {to + offset, view.size()};
}

void move_views(Fields& fields, const char* from, size_t size, const char* to) {
  for (Field& field : fields.list()) {
    move_view(field.name, from, size, to);
    move_view(field.value, from, size, to);
  }
}

}  // namespace banyan::http
