// The fields that decide where a message ends and what becomes of its connection, read strictly.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace banyan::http {

// A Content-Length value: one or more digits, at most 2^63-1 (RFC 9110 section 8.6). Nothing for everything
// else: empty, signs, blanks inside, lists.
std::optional<uint64_t> parse_content_length(std::string_view value);

// All Transfer-Encoding fields of a message, in order (RFC 9112 section 6.1).
class TransferCodings {
 public:
  enum class Verdict {
    chunked,  // exactly `chunked`
    unknown,  // other codings before a last `chunked`: the end of the message is known, its content is not
    faulty,   // everything else: empty, `chunked` not last or twice or with parameters, quoted, malformed
  };

  void add(std::string_view value);
  Verdict verdict() const;

 private:
  void add_coding(std::string_view coding);

  bool faulty_ = false;
  bool chunked_last_ = false;
  bool others_ = false;
};

// All Connection fields of a message (RFC 9110 section 7.6.1).
class ConnectionOptions {
 public:
  static constexpr unsigned kMost = 32;  // more has no use, and each is compared with each field later

  void add(std::string_view value);

  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool malformed = false;  // an option that is no token, or too many of them
  std::string_view
      protected_name;  // a field that must not be removed by the sender's wish; empty if none is named

 private:
  bool add_known(std::string_view option);

  unsigned count_ = 0;
};

}  // namespace banyan::http
