#include <gtest/gtest.h>

#include <string>

#include "messages.h"

namespace banyan::http {
namespace {

struct Case {
  std::string bytes;
  std::string outcome;
};

void expect_outcomes(const std::vector<Case>& cases, const H1Limits& limits = H1Limits::for_responses()) {
  for (const Case& c : cases) {
    ResponseText response(c.bytes, Method::get, limits);
    EXPECT_EQ(response.outcome(), c.outcome) << testing::PrintToString(c.bytes);
    if (!response.result) {
      EXPECT_EQ(response.result.error().fault, Fault::upstream);
      EXPECT_EQ(response.result.error().status, 502);
    }
  }
}

std::string ok(std::string fields) { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n"; }

TEST(H1Response, TakesAWholeHeadApart) {
  ResponseText response("HTTP/1.1 404 Nicht gefunden \xe4\r\nContent-Length: 5\r\nX_Own: \tv \r\n\r\nhello");
  ASSERT_EQ(response.outcome(), "complete");
  const ResponseHead& head = response.head;
  EXPECT_EQ(response.result->consumed, response.block.size() - 5);
  EXPECT_FALSE(response.result->until_close);
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.reason, "Nicht gefunden \xe4");
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.body.kind, BodyKind::sized);
  EXPECT_EQ(head.body.size, 5u);
  ASSERT_EQ(head.fields.size(), 2u);
  EXPECT_EQ(head.fields.list()[1].name, "X_Own");
  EXPECT_EQ(head.fields.list()[1].value, "v");
  EXPECT_TRUE(head.storage);
}

TEST(H1Response, WhatIsMissingIsWaitedFor) {
  std::string bytes = ok("X-A: b\r\n");
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(ResponseText(bytes.substr(0, size)).outcome(), "incomplete") << size;
  }
}

TEST(H1Response, StatusLine) {
  auto misplaced = [](const char* byte) {
    return std::string("http_protocol_error: status line: byte ") + byte +
           " where \"HTTP/1.1 200\" or the like should be";
  };
  expect_outcomes({
      {"SSH-2.0-OpenSSH_9.2\r\n", misplaced("0x53")},
      {"hello\r\n\r\n", misplaced("0x68")},
      {"http/1.1 200 OK\r\n\r\n", misplaced("0x68")},
      {"HTTP/1.1\r\n\r\n", misplaced("0x0d")},
      {"HTTP/2.0 200 OK\r\n\r\n", misplaced("0x32")},
      {"HTTP/1.10 200 OK\r\n\r\n", misplaced("0x30")},
      {"HTTP/1.1  200 OK\r\n\r\n", misplaced("0x20")},
      {"HTTP/1.1 20 OK\r\n\r\n", misplaced("0x20")},
      {"HTTP/1.1 -20 OK\r\n\r\n", misplaced("0x2d")},
      {"\r\nHTTP/1.1 200 OK\r\n\r\n", misplaced("0x0d")},
      {"HTTP/1.1 2000 OK\r\n\r\n", "http_protocol_error: status of more than three digits"},
      {"HTTP/1.1 200OK\r\n\r\n", "http_protocol_error: status of more than three digits"},
      {"HTTP/1.1 099 OK\r\n\r\n", "http_protocol_error: status 99"},
      {"HTTP/1.1 600 OK\r\n\r\n", "http_protocol_error: status 600"},
      {"HTTP/1.1 999 OK\r\n\r\n", "http_protocol_error: status 999"},
      {"HTTP/1.1 200 OK\n\n", "http_protocol_error: status line: LF without CR"},
      {"HTTP/1.1 200\n\n", "http_protocol_error: status line: LF without CR"},
      {"HTTP/1.1 200 O\rK\r\n\r\n", "http_protocol_error: status line: CR without LF"},
      {std::string("HTTP/1.1 200 O\0K\r\n\r\n", 20),
       "http_protocol_error: status line: byte 0x00 is not allowed"},
      {"HTTP/1.1 200 OK\r\n\r\n", "complete"},
      {"HTTP/1.1 200 \r\n\r\n", "complete"},
      {"HTTP/1.1 200\r\n\r\n", "complete"},
      {"HTTP/1.0 599 a b\tc\r\n\r\n", "complete"},
      {"HTTP/1.9 100 \xff\r\n\r\n", "complete"},
  });
  EXPECT_EQ(ResponseText("HTTP/1.1 200\r\n\r\n").head.reason, "");
  EXPECT_EQ(ResponseText("HTTP/1.1 200  x \r\n\r\n").head.reason, " x ");
  EXPECT_EQ(ResponseText("HTTP/1.0 200 OK\r\n\r\n").head.minor_version, 0);
  EXPECT_EQ(ResponseText("HTTP/1.9 200 OK\r\n\r\n").head.minor_version, 1);
}

TEST(H1Response, FieldsAreAsStrictAsThoseOfRequests) {
  expect_outcomes({
      {ok("X-A: b\rSet-Cookie: evil\r\n"), "http_protocol_error: value of field \"X-A\": CR without LF"},
      {ok("X-A: b\nSet-Cookie: evil\r\n"), "http_protocol_error: value of field \"X-A\": LF without CR"},
      {ok(std::string("X-A: b\0\r\n", 9)),
       "http_protocol_error: value of field \"X-A\": byte 0x00 is not allowed"},
      {ok("X-A: b\r\n c\r\n"), "http_protocol_error: folded line (a line that begins with a blank)"},
      {ok("Content-Length : 0\r\n"), "http_protocol_error: blank after field name \"Content-Length\""},
      {ok(": x\r\n"), "http_protocol_error: field without a name"},
      {ok("nonsense\r\n"), "http_protocol_error: field line without a colon: \"nonsense\""},
      {ok("Connection: a b\r\n"), "http_protocol_error: Connection is not a list of up to 32 tokens"},
      {ok("Connection: Set-Cookie, X-Forwarded-For\r\n"), "complete"},
  });
}

TEST(H1Response, Framing) {
  constexpr const char* kNumber = "http_protocol_error: Content-Length is not a number, or too large";
  constexpr const char* kCoding = "http_response_transfer_coding: ";
  auto coding = [&](const char* text) { return std::string(kCoding) + text; };
  expect_outcomes({
      {ok("Content-Length: abc\r\n"), kNumber},
      {ok("Content-Length: -1\r\n"), kNumber},
      {ok("Content-Length: +1\r\n"), kNumber},
      {ok("Content-Length:\r\n"), kNumber},
      {ok("Content-Length: 1, 1\r\n"), kNumber},
      {ok("Content-Length: 9223372036854775808\r\n"), kNumber},
      {ok("Content-Length: 1\r\nContent-Length: 2\r\n"), "http_protocol_error: more than one Content-Length"},
      {ok("Content-Length: 1\r\nContent-Length: 1\r\n"), "http_protocol_error: more than one Content-Length"},
      {ok("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
       coding("both Transfer-Encoding and Content-Length")},
      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", coding("Transfer-Encoding in HTTP/1.0")},
      {ok("Transfer-Encoding: gzip, chunked\r\n"), coding("transfer coding other than chunked")},
      {ok("Transfer-Encoding: chunked, gzip\r\n"), coding("Transfer-Encoding is not exactly \"chunked\"")},
      {ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
       coding("Transfer-Encoding is not exactly \"chunked\"")},
      {ok("Transfer-Encoding: identity\r\n"), coding("Transfer-Encoding is not exactly \"chunked\"")},
      {ok("Transfer-Encoding:\r\n"), coding("Transfer-Encoding is not exactly \"chunked\"")},
  });
}

struct BodyCase {
  std::string status;
  Method method;
  std::string fields;
  BodyKind kind;
  bool keep_alive;
  bool until_close;
};

TEST(H1Response, BodyAndConnection) {
  for (const BodyCase& c : {
           BodyCase{"1.1 200 OK", Method::get, "Content-Length: 0\r\n", BodyKind::sized, true, false},
           {"1.1 200 OK", Method::get, "Transfer-Encoding: Chunked\r\n", BodyKind::streamed, true, false},
           {"1.1 200 OK", Method::get, "Transfer-Encoding: chunked\r\nConnection: close\r\n",
            BodyKind::streamed, false, false},
           {"1.1 200 OK", Method::get, "", BodyKind::streamed, false, true},
           {"1.0 200 OK", Method::get, "", BodyKind::streamed, false, true},
           {"1.0 200 OK", Method::get, "Connection: keep-alive\r\n", BodyKind::streamed, false, true},
           {"1.0 200 OK", Method::get, "Content-Length: 3\r\nConnection: keep-alive\r\n", BodyKind::sized,
            true, false},
           {"1.0 200 OK", Method::get, "Content-Length: 3\r\n", BodyKind::sized, false, false},
           {"1.1 200 OK", Method::get, "Content-Length: 3\r\nConnection: x, Close\r\n", BodyKind::sized,
            false, false},
           {"1.1 200 OK", Method::head, "Content-Length: 3\r\n", BodyKind::none, true, false},
           {"1.1 200 OK", Method::head, "Transfer-Encoding: chunked\r\n", BodyKind::none, true, false},
           {"1.1 200 OK", Method::head, "", BodyKind::none, true, false},
           {"1.1 304 Not Modified", Method::get, "Content-Length: 3\r\n", BodyKind::none, true, false},
           {"1.1 204 No Content", Method::get, "", BodyKind::none, true, false},
           {"1.1 204 No Content", Method::get, "Content-Length: 0\r\n", BodyKind::none, true, false},
           {"1.1 204 No Content", Method::get, "Content-Length: 3\r\n", BodyKind::none, false, false},
           {"1.1 204 No Content", Method::get, "Transfer-Encoding: chunked\r\n", BodyKind::none, false,
            false},
           {"1.1 103 Early Hints", Method::get, "Content-Length: 3\r\n", BodyKind::none, false, false},
           {"1.1 103 Early Hints", Method::head, "Content-Length: 3\r\n", BodyKind::none, false, false},
           {"1.1 100 Continue", Method::post, "", BodyKind::none, true, false},
           {"1.1 101 Switching", Method::get, "Connection: upgrade\r\n", BodyKind::none, true, false},
       }) {
    ResponseText response("HTTP/" + c.status + "\r\n" + c.fields + "\r\n", c.method);
    ASSERT_EQ(response.outcome(), "complete") << c.status << " " << c.fields;
    EXPECT_EQ(response.head.body.kind, c.kind) << c.status << " " << c.fields;
    EXPECT_EQ(response.head.keep_alive, c.keep_alive) << c.status << " " << c.fields;
    EXPECT_EQ(response.result->until_close, c.until_close) << c.status << " " << c.fields;
  }
}

TEST(H1Response, InterimResponsesAreHeadsOfTheirOwn) {
  std::string hints = "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n";
  BlockOf block(hints + ok("Content-Length: 0\r\n"));
  ResponseHead head;
  H1HeadProgress progress;
  auto parse = [&](size_t begin) {
    return parse_response_head(block.ref(), begin, block.size(), H1Limits::for_responses(), Method::get,
                               progress, head);
  };
  auto parsed = parse(0);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->consumed, hints.size());
  EXPECT_EQ(head.status, 103);
  progress = {};
  parsed = parse(hints.size());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->consumed, block.size() - hints.size());
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.fields.size(), 1u);
}

TEST(H1Response, Sizes) {
  H1Limits limits{.head = 200, .line = 50, .fields = 2};
  expect_outcomes(
      {
          {"HTTP/1.1 200 " + std::string(37, 'x') + "\r\n\r\n", "complete"},
          {"HTTP/1.1 200 " + std::string(38, 'x') + "\r\n\r\n",
           "http_response_header_section_size: start line longer than 50 bytes"},
          {ok("X: " + std::string(47, 'x') + "\r\n"), "complete"},
          {ok("X: " + std::string(48, 'x') + "\r\n"),
           "http_response_header_size: field line longer than 50 bytes"},
          {ok("A: b\r\nC: d\r\nE: f\r\n"), "http_response_header_section_size: more than 2 fields"},
      },
      limits);
  limits.head = 60;
  expect_outcomes({{ok("X: " + std::string(40, 'x') + "\r\n"),
                    "http_response_header_section_size: more than 60 bytes before the end of the fields"}},
                  limits);
  expect_outcomes({{ok("Set-Cookie: " + std::string(60000, 'x') + "\r\n"), "complete"}});
}

TEST(H1Response, BytesMayMoveBetweenCalls) {
  std::string bytes = "HTTP/1.1 404 Not Here\r\nX-Own: value\r\nContent-Length: 3\r\n\r\n";
  for (size_t first = 0; first < bytes.size(); ++first) {
    BlockPool large(1000, 1);
    ResponseHead head;
    H1HeadProgress progress;
    {
      BlockOf small(std::string_view(bytes).substr(0, first));
      auto parsed = parse_response_head(small.ref(), 0, first, {}, Method::get, progress, head);
      ASSERT_TRUE(parsed.ok() && parsed->consumed == 0);
    }
    BlockRef block = large.take();
    std::memcpy(block.bytes() + 300, bytes.data(), bytes.size());
    auto parsed = parse_response_head(block, 300, 300 + bytes.size(), {}, Method::get, progress, head);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    EXPECT_EQ(parsed->consumed, bytes.size());
    EXPECT_EQ(head.reason, "Not Here");
    EXPECT_EQ(head.fields.find("X-Own")->value, "value");
  }
}

}  // namespace
}  // namespace banyan::http
