// The chunked transfer coding (RFC 9112 section 7.1), both ways.
//
//   5;name="value" CR LF   hello CR LF   0 CR LF   X-Sum: 11 CR LF   CR LF
//   size [extensions]      data          last      trailers          end
//
// Decoding is strict where chunks have been used to smuggle: 1 to 16 hexadecimal digits and nothing around
// them (also no blank before ';'), values up to 2^63-1, CR LF and nothing else as line end, no control
// characters in extensions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/fields.h"
#include "http/h1_parser.h"

namespace banyan::http {

class ChunkedDecoder {
 public:
  // Of one message, not of one chunk: extensions are of no use to anyone but attackers.
  static constexpr size_t kMostExtensionBytes = 256;
  static constexpr H1Limits kTrailerLimits{.head = 8 * 1024, .line = 4 * 1024, .fields = 32};

  // Errors are the client's with status 400 (431 for trailers too large), or the upstream's with 502 and
  // http_response_transfer_coding (http_response_trailer_section_size, http_response_trailer_size).
  explicit ChunkedDecoder(Fault fault = Fault::client) : fault_(fault) {}

  struct Step {
    size_t consumed = 0;    // bytes taken from the front of the input; more than 0 unless the input was empty
    std::string_view body;  // a part of the body, a view into the input; empty when none was reached
    bool done = false;      // the message ended behind `consumed`
  };
  // Goes on up to the end of one piece of the body, of the message or of the input. Call again with the rest.
  // REQUIRES: not done, no error before.
  Result<Step> decode(std::string_view input);

  // After `done`. Fields a trailer must not carry are left out (is_forbidden_trailer). Valid until reset().
  const Fields& trailers() const { return trailers_; }
  // Ready for the next message; keeps memory.
  void reset();

 private:
  enum class State : uint8_t {
    size,          // digits
    extension,     // after ';', before the name
    name,          // of an extension
    after_name,    // blanks before '=' or ';'
    value,         // before the value
    token_value,   // in it
    quoted_value,  // in a quoted one
    quoted_pair,   // behind its backslash
    after_quotes,  // behind the last quote
    after_value,   // blanks before ';'
    size_lf,       // LF of the size line
    data,
    data_cr,
    data_lf,
    trailers,
    done,
  };

  // Takes one byte of a size line or of what follows data. Null, or what is wrong.
  const char* take(char c);
  const char* take_size(char c);
  const char* take_extension(char c);
  const char* end_extension(char c);
  void begin_chunk();
  Result<bool> take_trailers(std::string_view input, size_t& consumed);
  Error trailer_error(Error error) const;

  Fault fault_;
  State state_ = State::size;
  uint8_t digits_ = 0;
  uint16_t extension_bytes_ = 0;
  uint64_t left_ = 0;  // of the chunk; while reading its size: the size so far
  std::string trailer_bytes_;
  H1HeadProgress trailer_progress_;
  Fields trailers_;
};

// Fields that frame, route, authenticate, identify or change the handling of a message: never taken from a
// trailer (RFC 9110 section 6.5.1).
bool is_forbidden_trailer(const Field& field);

// Appends what stands before a chunk's data: "1a2b\r\n". After the data comes "\r\n". REQUIRES: size > 0,
// which would be the last chunk.
void append_chunk_head(std::string& out, uint64_t size);
// Appends what ends the message: "0\r\n", the trailers that are allowed, "\r\n".
void append_last_chunk(std::string& out, const Fields& trailers);

}  // namespace banyan::http
