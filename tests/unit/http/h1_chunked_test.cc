#include "http/h1_chunked.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace banyan::http {
namespace {

struct Decoded {
  std::string body;
  std::string trailers;  // "Name=value;" each
  std::string error;     // "400 what was wrong"
  size_t consumed = 0;
  bool done = false;
};

// Decodes `bytes` as if they arrived in the given portions, the last one being the rest.
Decoded decode(std::string_view bytes, const std::vector<size_t>& portions = {},
               Fault fault = Fault::client) {
  ChunkedDecoder decoder(fault);
  Decoded result;
  for (size_t i = 0; i <= portions.size() && !result.done; ++i) {
    std::string portion(bytes.substr(0, i < portions.size() ? portions[i] : bytes.size()));
    bytes.remove_prefix(portion.size());
    std::string_view input = portion;
    while (!input.empty() && !result.done) {
      auto step = decoder.decode(input);
      if (!step) {
        result.error = std::to_string(step.error().status) + " " + step.error().message;
        return result;
      }
      EXPECT_GT(step->consumed, 0u);
      result.body += step->body;
      result.consumed += step->consumed;
      result.done = step->done;
      input.remove_prefix(step->consumed);
    }
  }
  for (const Field& field : decoder.trailers()) {
    result.trailers += std::string(field.name) + "=" + std::string(field.value) + ";";
  }
  return result;
}

TEST(ChunkedDecoder, DecodesAtEverySplit) {
  std::string message =
      "5\r\nhello\r\n00A;ext=\"a;\\\"b\";x\r\n, 10 bytes\r\n0;last\r\nX-Sum: 11\r\nX-Other:\t y \r\n\r\nGET "
      "/ HTTP/1.1";
  size_t size = message.find("GET");
  for (size_t first = 0; first <= size; ++first) {
    for (size_t second = 0; first + second <= size; second += 3) {
      Decoded decoded = decode(message, {first, second});
      ASSERT_TRUE(decoded.done) << first << " " << second << " " << decoded.error;
      EXPECT_EQ(decoded.body, "hello, 10 bytes");
      EXPECT_EQ(decoded.trailers, "X-Sum=11;X-Other=y;");
      EXPECT_EQ(decoded.consumed, size);
    }
  }
}

TEST(ChunkedDecoder, BodiesAreNotCopied) {
  std::string message = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  ChunkedDecoder decoder;
  auto first = decoder.decode(message);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->body.data(), message.data() + 3);
  EXPECT_EQ(first->body.size(), 3u);
  EXPECT_EQ(first->consumed, 6u);
  auto second = decoder.decode(std::string_view(message).substr(6));
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->body.data(), message.data() + 11);
  EXPECT_FALSE(second->done);
  auto end = decoder.decode(std::string_view(message).substr(13));
  ASSERT_TRUE(end.ok());
  EXPECT_TRUE(end->done && end->body.empty());
  EXPECT_EQ(end->consumed, 7u);
}

TEST(ChunkedDecoder, IsReadyForTheNextMessageAfterReset) {
  ChunkedDecoder decoder;
  ASSERT_TRUE(decoder.decode("0\r\nX-A: b\r\n\r\n")->done);
  EXPECT_EQ(decoder.trailers().size(), 1u);
  decoder.reset();
  EXPECT_TRUE(decoder.trailers().empty());
  EXPECT_EQ(decoder.decode("1\r\nz\r\n")->body, "z");
}

TEST(ChunkedDecoder, WhatIsAllowed) {
  for (std::string_view message :
       {"0\r\n\r\n", "000\r\n\r\n", "0000000000000000\r\n\r\n", "0000000000000001\r\na\r\n0\r\n\r\n",
        "1;a\r\na\r\n0\r\n\r\n", "1;a=b;c=\"d e\t\x80\"\r\na\r\n0\r\n\r\n",
        "1; a = b ; c ;d=\"e\" ;f\r\na\r\n0\r\n\r\n", "1;a=\"\"\r\na\r\n0\r\n\r\n", "0\r\nX:\r\n\r\n"}) {
    Decoded decoded = decode(message);
    EXPECT_TRUE(decoded.done) << message << ": " << decoded.error;
    EXPECT_EQ(decoded.consumed, message.size());
  }
}

TEST(ChunkedDecoder, AnIncompleteMessageIsNotDone) {
  std::string message = "1;a=\"b\"\r\na\r\n0\r\nX: y\r\n\r\n";
  for (size_t size = 0; size < message.size(); ++size) {
    Decoded decoded = decode(message.substr(0, size));
    EXPECT_FALSE(decoded.done) << size;
    EXPECT_EQ(decoded.error, "") << size;
  }
}

struct Case {
  std::string bytes;
  std::string error;
};

TEST(ChunkedDecoder, RefusesAtEverySplit) {
  constexpr const char* kLineEnd = "400 chunk: a CR or LF that is not CR LF";
  constexpr const char* kSize = "400 chunk: a character that is not allowed in its size";
  constexpr const char* kNone = "400 chunk: no size";
  constexpr const char* kLonger = "400 chunk: data longer than its size";
  constexpr const char* kExtension = "400 chunk: malformed extension";
  constexpr const char* kExtensions = "400 chunk: extensions of more than 256 bytes";
  std::string many;
  for (int i = 0; i < 13; ++i) many += "1;a=" + std::string(20, 'x') + "\r\na\r\n";
  const Case cases[] = {
      {"5\nhello\r\n0\r\n\r\n", kLineEnd},
      {"5\rhello\r\n0\r\n\r\n", kLineEnd},
      {"5\r\nhello\n0\r\n\r\n", kLonger},
      {"5\r\nhello\r0\r\n\r\n", kLineEnd},
      {"5\r\nhello!\r\n0\r\n\r\n", kLonger},
      {"5\r\nhello0\r\n\r\n", kLonger},
      {"0x5\r\nhello\r\n0\r\n\r\n", kSize},
      {"+5\r\nhello\r\n0\r\n\r\n", kNone},
      {"-5\r\nhello\r\n0\r\n\r\n", kNone},
      {" 5\r\nhello\r\n0\r\n\r\n", kNone},
      {"5 \r\nhello\r\n0\r\n\r\n", kSize},
      {"5\t\r\nhello\r\n0\r\n\r\n", kSize},
      {"5 ;a\r\nhello\r\n0\r\n\r\n", kSize},
      {"5,a\r\nhello\r\n0\r\n\r\n", kSize},
      {"\r\nhello\r\n0\r\n\r\n", kNone},
      {";a\r\nhello\r\n0\r\n\r\n", kNone},
      {"xyz\r\nhello\r\n0\r\n\r\n", kNone},
      {"5_0\r\n", kSize},
      {"00000000000000005\r\nhello\r\n0\r\n\r\n", "400 chunk: size of more than 16 digits"},
      {"10000000000000005\r\n", "400 chunk: size of more than 16 digits"},
      {"8000000000000000\r\n", "400 chunk: size too large"},
      {"ffffffffffffffff\r\n", "400 chunk: size too large"},
      {"5;a\n0\r\n\r\nhello\r\n", kLineEnd},
      {"5;a\rb\r\nhello\r\n", kLineEnd},
      {"5;a=\"b\nc\"\r\nhello\r\n", kLineEnd},
      {"5;a=\"b\r\n\"\r\nhello\r\n", kExtension},
      {"5;\r\nhello\r\n", kExtension},
      {"5;;a\r\nhello\r\n", kExtension},
      {"5;a=\r\nhello\r\n", kExtension},
      {"5;=b\r\nhello\r\n", kExtension},
      {"5;a b\r\nhello\r\n", kExtension},
      {"5;a=b c\r\nhello\r\n", kExtension},
      {"5;a \r\nhello\r\n", kExtension},
      {"5;a=b \r\nhello\r\n", kExtension},
      {"5;a=\"b\" \r\nhello\r\n", kExtension},
      {"5;a=\"b\"c\r\nhello\r\n", kExtension},
      {"5;a=\"\x01\"\r\nhello\r\n", kExtension},
      {"5;a=\"\\\x01\"\r\nhello\r\n", kExtension},
      {std::string("5;a=\0\r\nhello\r\n", 15), kExtension},
      {"5;" + std::string(100000, 'x'), kExtensions},
      {"5;" + std::string(257, 'x') + "\r\n", kExtensions},
      {many, kExtensions},
      {"0\r\nX-A\r\n\r\n", "400 trailer: field line without a colon: \"X-A\""},
      {"0\r\nX-A : b\r\n\r\n", "400 trailer: blank after field name \"X-A\""},
      {"0\r\nX-A: b\r\n c\r\n\r\n", "400 trailer: folded line (a line that begins with a blank)"},
      {std::string("0\r\nX-A: \0\r\n\r\n", 14),
       "400 trailer: value of field \"X-A\": byte 0x00 is not allowed"},
      {"0\r\n\n", "400 trailer: field name: LF without CR"},
      {"0\r\n\rX\n", "400 trailer: end of the fields: CR without LF"},
      {"0\r\nX-A: b\n\r\n", "400 trailer: value of field \"X-A\": LF without CR"},
      {"0\r\nX: " + std::string(9 << 10, 'x') + "\r\n\r\n", "431 trailer: field line longer than 4096 bytes"},
      {"0\r\nX: " + std::string(4093, 'x') + "\r\nX: " + std::string(4093, 'y') + "\r\n\r\n",
       "431 trailer: more than 8192 bytes before the end of the fields"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(decode(c.bytes).error, c.error) << c.bytes.substr(0, 80);
    if (c.bytes.size() > 300) continue;
    for (size_t first = 1; first < c.bytes.size(); ++first) {
      EXPECT_EQ(decode(c.bytes, {first}).error, c.error) << c.bytes << " at " << first;
    }
  }
  std::string fields;
  for (int i = 0; i < 33; ++i) fields += "X: y\r\n";
  EXPECT_EQ(decode("0\r\n" + fields + "\r\n").error, "431 trailer: more than 32 fields");
  EXPECT_TRUE(decode("5;" + std::string(256, 'x') + "\r\n").error.empty());
  EXPECT_TRUE(decode("7fffffffffffffff\r\nabc").error.empty());
}

TEST(ChunkedDecoder, ErrorsOfResponsesAreTheUpstreams) {
  auto error_of = [](std::string_view bytes) {
    ChunkedDecoder decoder(Fault::upstream);
    auto step = decoder.decode(bytes);
    EXPECT_FALSE(step.ok());
    return step.ok() ? Error{} : step.error();
  };
  Error error = error_of("x\r\n");
  EXPECT_EQ(error.fault, Fault::upstream);
  EXPECT_EQ(error.status, 502);
  EXPECT_EQ(error.type, "http_response_transfer_coding");
}

TEST(ChunkedDecoder, TooLargeTrailersHaveTheirType) {
  ChunkedDecoder decoder(Fault::upstream);
  ASSERT_TRUE(decoder.decode("0\r\n").ok());
  auto step = decoder.decode("X: " + std::string(9000, 'x') + "\r\n");
  ASSERT_FALSE(step.ok());
  EXPECT_EQ(step.error().type, "http_response_trailer_size");
}

TEST(ChunkedDecoder, ForbiddenTrailersAreDropped) {
  std::string kept = "X-Sum=1;ETag=2;Proxy-Status=3;";
  Decoded decoded = decode(
      "0\r\nAuthorization: evil\r\nX-Sum: 1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nHost: b\r\n"
      "ETag: 2\r\nX-Forwarded-For: 6.6.6.6\r\nx-forwarded-anything: c\r\nSet-Cookie: d\r\ncache-control: "
      "e\r\n"
      "Content-Range: f\r\nX-Banyan-Side: native\r\nSec-WebSocket-Key: g\r\nX_Sum: h\r\nConnection: close\r\n"
      "Proxy-Status: 3\r\nTrailer: i\r\nWWW-Authenticate: j\r\n\r\n");
  EXPECT_TRUE(decoded.done) << decoded.error;
  EXPECT_EQ(decoded.trailers, kept);
}

TEST(ChunkedEncoder, WritesWhatTheDecoderReads) {
  std::string out;
  append_chunk_head(out, 1);
  EXPECT_EQ(out, "1\r\n");
  out.clear();
  append_chunk_head(out, UINT64_MAX);
  EXPECT_EQ(out, "ffffffffffffffff\r\n");

  std::string body(70000, 'x');
  out = "head";
  append_chunk_head(out, body.size());
  out += body + "\r\n";
  Fields trailers;
  trailers.add("X-Sum", "a\r\nX-Evil: b");
  trailers.add("Bad Name", "c");
  trailers.add("Content-Length", "3");
  append_last_chunk(out, trailers);
  EXPECT_TRUE(out.ends_with("\r\n0\r\nX-Sum: a  X-Evil: b\r\n\r\n"));
  Decoded decoded = decode(std::string_view(out).substr(4));
  EXPECT_TRUE(decoded.done);
  EXPECT_EQ(decoded.body, body);
  EXPECT_EQ(decoded.trailers, "X-Sum=a  X-Evil: b;");
}

}  // namespace
}  // namespace banyan::http
