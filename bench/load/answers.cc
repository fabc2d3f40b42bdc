#include "answers.h"

#include <strings.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "settings.h"

namespace bench {
namespace {

// The value of Content-Length, or -1.
int64_t content_length(std::string_view head) {
  constexpr std::string_view kName = "content-length:";
  for (size_t at = head.find('\n'); at != head.npos; at = head.find('\n', at + 1)) {
    const std::string_view line = head.substr(at + 1);
    if (line.size() > kName.size() && strncasecmp(line.data(), kName.data(), kName.size()) == 0)
      return std::strtoll(line.data() + kName.size(), nullptr, 10);
  }
  return -1;
}

}  // namespace

Answers::Seen Answers::take(std::string_view bytes) {
  Seen seen;
  while (!bytes.empty()) {
    if (!in_body_) {
      // The usual case is a head in one piece.
      const size_t end = head_.empty() ? bytes.find("\r\n\r\n") : bytes.npos;
      if (end != bytes.npos) {
        take_head(bytes.substr(0, end + 4));
        bytes.remove_prefix(end + 4);
      } else {
        const size_t before = head_.size();
        head_ += bytes;
        const size_t there = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
        if (there == head_.npos) return seen;
        bytes.remove_prefix(there + 4 - before);
        head_.resize(there + 4);
        take_head(head_);
        head_.clear();
      }
    }
    const uint64_t part = std::min<uint64_t>(body_left_, bytes.size());
    body_left_ -= part;
    bytes.remove_prefix(part);
    if (body_left_ > 0) continue;
    in_body_ = false;
    ++seen.complete;
    seen.errors += error_ ? 1 : 0;
  }
  return seen;
}

void Answers::take_head(std::string_view head) {
  const int64_t length = content_length(head);
  if (length < 0 || head.size() < 12) {
    errno = EPROTO;
    die("an answer without Content-Length");
  }
  error_ = head[9] != '2';
  body_left_ = static_cast<uint64_t>(length);
  in_body_ = true;
}

}  // namespace bench
