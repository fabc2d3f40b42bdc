#include "http/path.h"

#include "base/check.h"
#include "http/chars.h"

namespace banyan::http {
namespace {

constexpr char kHexDigits[] = "0123456789ABCDEF";

Error wrong(const char* what) { return client_error(400, what); }

int decoded_byte(std::string_view text, size_t percent) {
  if (percent + 2 >= text.size()) return -1;
  int high = chars::hex_value(text[percent + 1]);
  int low = chars::hex_value(text[percent + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// True when the encoding at `percent` is as the normal form has it.
bool is_normal_encoding(std::string_view path, size_t percent) {
  int byte = decoded_byte(path, percent);
  if (byte <= 0 || byte == '/' || byte == '\\' || chars::is(static_cast<char>(byte), chars::kUnreserved))
    return false;
  return path[percent + 1] == kHexDigits[byte / 16] && path[percent + 2] == kHexDigits[byte % 16];
}

// How many bytes of `text` mean a dot in the end: ".", "%2e", "%252e", … Zero if it begins with something
// else.
size_t dot_size(std::string_view text) {
  if (text.starts_with('.')) return 1;
  if (!text.starts_with('%')) return 0;
  size_t at = 1;
  while (text.substr(at, 2) == "25") at += 2;
  return text.substr(at, 1) == "2" && at + 1 < text.size() && (text[at + 1] | 0x20) == 'e' ? at + 2 : 0;
}

bool begins_parameters(std::string_view text) {
  return text.starts_with(';') || (text.starts_with("%3") && text.size() > 2 && (text[2] | 0x20) == 'b');
}

enum class Dots { none, one, two, ambiguous };

// Whether a segment in normal form, or a piece of one, is "." or "..", or might be taken for one of them.
Dots judge_dots(std::string_view segment) {
  if (segment == ".") return Dots::one;
  if (segment == "..") return Dots::two;
  size_t at = 0;
  int dots = 0;
  while (size_t size = dot_size(segment.substr(at))) {
    at += size;
    ++dots;
  }
  if (dots == 0 || dots > 2) return Dots::none;
  return at == segment.size() || begins_parameters(segment.substr(at)) ? Dots::ambiguous : Dots::none;
}

bool has_dots_between_encoded_slashes(std::string_view segment) {
  size_t begin = 0;
  bool divided = false;
  for (size_t i = 0; i <= segment.size(); ++i) {
    bool at_end = i == segment.size();
    if (!at_end && segment.substr(i, 3) != "%2F" && segment.substr(i, 3) != "%5C") continue;
    divided |= !at_end;
    if (divided && judge_dots(segment.substr(begin, i - begin)) != Dots::none) return true;
    begin = i + 3;
  }
  return false;
}

// Most paths are normal: one look at each byte tells.
bool is_normal(std::string_view path, const PathRules& rules) {
  const char* end = path.data() + path.size();
  for (const char* at = path.data(); at < end; ++at) {
    if (chars::is(*at, chars::kPathChar)) continue;
    if (*at == '/') {
      if (at + 1 == end) continue;
      if (at[1] == '/' && rules.merge_slashes) return false;
      // "/.x" and the like are rare: the long way finds out.
      if (at[1] == '.' || at[1] == '%') return false;
    } else if (*at != '%' || !is_normal_encoding(path, static_cast<size_t>(at - path.data()))) {
      return false;
    }
  }
  return true;
}

class Builder {
 public:
  Builder(const PathRules& rules, char* out) : rules_(rules), out_(out) {}

  // Null, or what is wrong.
  const char* add_segment(std::string_view segment, bool last) {
    if (segment.empty() && !last && rules_.merge_slashes) return nullptr;
    size_t begin = size_;
    out_[size_++] = '/';
    if (const char* problem = copy(segment)) return problem;
    std::string_view normal(out_ + begin + 1, size_ - begin - 1);
    switch (judge_dots(normal)) {
      case Dots::none:
        break;
      case Dots::one:
        size_ = begin;
        close_after_dots(last);
        return nullptr;
      case Dots::two:
        size_ = begin;
        if (const char* problem = remove_segment()) return problem;
        close_after_dots(last);
        return nullptr;
      case Dots::ambiguous:
        return "path: a dot segment with parameters, or encoded twice";
    }
    if (rules_.keep_encoded_slashes && has_dots_between_encoded_slashes(normal)) {
      return "path: a dot segment beside an encoded slash";
    }
    return nullptr;
  }

  std::string_view path() const { return {out_, size_}; }

 private:
  // Copies a segment, each character in its normal spelling.
  const char* copy(std::string_view segment) {
    for (size_t i = 0; i < segment.size(); ++i) {
      char c = segment[i];
      if (c == '\\') return "path: a backslash";
      if (c != '%') {
        put(c, chars::is(c, chars::kPathChar));
        continue;
      }
      int byte = decoded_byte(segment, i);
      if (byte < 0) return "path: \"%\" without two hexadecimal digits";
      if (byte == 0) return "path: an encoded NUL";
      if ((byte == '/' || byte == '\\') && !rules_.keep_encoded_slashes)
        return "path: an encoded slash or backslash";
      put(static_cast<char>(byte), chars::is(static_cast<char>(byte), chars::kUnreserved));
      i += 2;
    }
    return nullptr;
  }

  void put(char c, bool as_it_is) {
    if (as_it_is) {
      out_[size_++] = c;
      return;
    }
    uint8_t byte = static_cast<uint8_t>(c);
    out_[size_++] = '%';
    out_[size_++] = kHexDigits[byte / 16];
    out_[size_++] = kHexDigits[byte % 16];
  }

  const char* remove_segment() {
    size_t slash = path().rfind('/');
    if (slash == std::string_view::npos) return "path: \"..\" above the root";
    // Whether ".." takes back the empty segment or the one before it, servers do not agree.
    if (slash + 1 == size_) return "path: \"..\" after an empty segment";
    size_ = slash;
    return nullptr;
  }

  // A dot segment at the end stands for a directory: its slash stays.
  void close_after_dots(bool last) {
    if (last) out_[size_++] = '/';
  }

  const PathRules& rules_;
  char* out_;
  size_t size_ = 0;
};

size_t longest_result(std::string_view path) {
  size_t size = path.size() + 1;
  for (char c : path) {
    if (!chars::is(c, chars::kPathChar)) size += 2;
  }
  return size;
}

}  // namespace

Result<std::string_view> normalise_path(std::string_view path, const PathRules& rules, Arena& arena) {
  CHECK(!path.empty() && path.front() == '/');
  if (is_normal(path, rules)) return path;
  Builder builder(rules, arena.allocate(longest_result(path)));
  size_t begin = 1;
  while (true) {
    size_t slash = path.find('/', begin);
    bool last = slash == path.npos;
    std::string_view segment = path.substr(begin, last ? path.npos : slash - begin);
    if (const char* problem = builder.add_segment(segment, last)) return wrong(problem);
    if (last) break;
    begin = slash + 1;
  }
  return builder.path() == path ? path : builder.path();
}

}  // namespace banyan::http
