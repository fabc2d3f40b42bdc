#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "messages.h"

namespace banyan::http {
namespace {

struct Case {
  std::string bytes;
  std::string outcome;
};

void expect_outcomes(const std::vector<Case>& cases, const H1Limits& limits = {}) {
  for (const Case& c : cases) {
    RequestText request(c.bytes, limits);
    EXPECT_EQ(request.outcome(), c.outcome) << testing::PrintToString(c.bytes);
    if (!request.result) {
      EXPECT_EQ(request.result.error().fault, Fault::client);
      EXPECT_EQ(request.result.error().type, "http_request_error");
    }
  }
}

std::string with_nul(std::string text, char stands_for_nul = '@') {
  for (char& c : text) {
    if (c == stands_for_nul) c = '\0';
  }
  return text;
}

std::string get(std::string fields) { return "GET /x HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"; }
std::string post(std::string fields) { return "POST /x HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"; }
std::string line(std::string start) { return start + "\r\nHost: a\r\n\r\n"; }
std::string host(std::string value) { return "GET /x HTTP/1.1\r\nHost: " + value + "\r\n\r\n"; }

TEST(H1Request, TakesAWholeHeadApart) {
  RequestText request(
      "POST /a/./b?c=d&e HTTP/1.1\r\nHost: Example.org:8080\r\ncontent-LENGTH:  5 \t\r\nX-Empty:\r\n"
      "X-Own: \tfirst, \xe4\t second\t\r\nExpect: 100-Continue\r\n\r\nhello");
  ASSERT_EQ(request.outcome(), "complete");
  const RequestHead& head = request.head;
  EXPECT_EQ(*request.result, request.block.size() - 5);
  EXPECT_EQ(head.method, Method::post);
  EXPECT_EQ(head.method_text, "POST");
  EXPECT_EQ(head.target, "/a/./b?c=d&e");
  EXPECT_EQ(head.path, "/a/b");
  EXPECT_EQ(head.query, "c=d&e");
  EXPECT_TRUE(head.has_query);
  EXPECT_EQ(head.host, "Example.org:8080");
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_TRUE(head.keep_alive && head.expect_continue);
  EXPECT_EQ(head.upgrade, "");
  EXPECT_EQ(head.body.kind, BodyKind::sized);
  EXPECT_EQ(head.body.size, 5u);
  ASSERT_EQ(head.fields.size(), 5u);
  EXPECT_EQ(head.fields.list()[1].name, "content-LENGTH");
  EXPECT_EQ(head.fields.list()[1].value, "5");
  EXPECT_EQ(head.fields.list()[1].id, FieldId::content_length);
  EXPECT_EQ(head.fields.list()[2].value, "");
  EXPECT_EQ(head.fields.list()[3].value, "first, \xe4\t second");
  EXPECT_EQ(head.fields.list()[3].id, FieldId::other);
  EXPECT_TRUE(head.storage);
}

TEST(H1Request, WhatIsMissingIsWaitedFor) {
  std::string bytes = get("X-A: b\r\n");
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(RequestText(bytes.substr(0, size)).outcome(), "incomplete") << size;
  }
  EXPECT_EQ(RequestText(bytes).outcome(), "complete");
  EXPECT_FALSE(RequestText("GET / HTTP/1.1\r\n").head.storage);
}

TEST(H1Request, LineEndsFoldingAndControlCharacters) {
  expect_outcomes({
      {get("X-A: b\rc\r\n"), "400 value of field \"X-A\": CR without LF"},
      {get("X-A: b\r\r\n"), "400 value of field \"X-A\": CR without LF"},
      {get("X-A: b\rTransfer-Encoding: chunked\r\n"), "400 value of field \"X-A\": CR without LF"},
      {get(with_nul("X-A: b@c\r\n")), "400 value of field \"X-A\": byte 0x00 is not allowed"},
      {get("X-A: b\x7f\r\n"), "400 value of field \"X-A\": byte 0x7f is not allowed"},
      {get("X-A: b\x07 and more than sixteen bytes\r\n"),
       "400 value of field \"X-A\": byte 0x07 is not allowed"},
      {get("X-A: a long value with an escape at its end\x1b\r\n"),
       "400 value of field \"X-A\": byte 0x1b is not allowed"},
      {get("X-A:\x0b"
           "b\r\n"),
       "400 value of field \"X-A\": byte 0x0b is not allowed"},
      {get("X-A: b\nX-C: d\r\n"), "400 value of field \"X-A\": LF without CR"},
      {"GET /x HTTP/1.1\r\nHost: a\n\r\n", "400 value of field \"Host\": LF without CR"},
      {"GET /x HTTP/1.1\nHost: a\r\n\r\n", "400 version: byte 0x0a where \"HTTP/1.1\" and CR LF should be"},
      {"GET /x HTTP/1.1\r\nHost: a\r\n\n", "400 field name: LF without CR"},
      {"GET /x HTTP/1.1\r\nHost: a\r\n\rX", "400 end of the fields: CR without LF"},
      {get("X-A: b\r\n c\r\n"), "400 folded line (a line that begins with a blank)"},
      {get("X-A: b\r\n\tc\r\n"), "400 folded line (a line that begins with a blank)"},
      {"GET /x HTTP/1.1\r\n Host: a\r\n\r\n", "400 folded line (a line that begins with a blank)"},
      {"GET /x HTTP/1.1\r\n \r\n\r\n", "400 folded line (a line that begins with a blank)"},
  });
}

TEST(H1Request, FieldNames) {
  expect_outcomes({
      {get("X-A : b\r\n"), "400 blank after field name \"X-A\""},
      {get("X-A\t: b\r\n"), "400 blank after field name \"X-A\""},
      {get("X A: b\r\n"), "400 blank after field name \"X\""},
      {get("Transfer-Encoding : chunked\r\n"), "400 blank after field name \"Transfer-Encoding\""},
      {get(": b\r\n"), "400 field without a name"},
      {get("X-A\r\n"), "400 field line without a colon: \"X-A\""},
      {get("X(A): b\r\n"), "400 field name: byte 0x28 is not allowed"},
      {get("\"X\": b\r\n"), "400 field name: byte 0x22 is not allowed"},
      {get("X-\xe4: b\r\n"), "400 field name: byte 0xe4 is not allowed"},
      {get(with_nul("X-@A: b\r\n")), "400 field name: byte 0x00 is not allowed"},
      {get("X-A\x0b: b\r\n"), "400 field name: byte 0x0b is not allowed"},
      {get("a-name-longer-than-sixteen-bytes/: b\r\n"), "400 field name: byte 0x2f is not allowed"},
      {get("!#$%&'*+-.^`|~09az: b\r\n"), "complete"},
      {get("X:\r\n"), "complete"},
      {get("X::\r\n"), "complete"},
  });
}

TEST(H1Request, UnderscoresInNames) {
  std::string bytes =
      get("X_Real_IP: 1\r\nTransfer_Encoding: chunked\r\na-name-longer-than-sixteen_bytes: 2\r\nX-C: 3\r\n");
  RequestText dropped(bytes);
  ASSERT_TRUE(dropped.complete());
  ASSERT_EQ(dropped.head.fields.size(), 2u);
  EXPECT_EQ(dropped.head.fields.list()[1].name, "X-C");
  EXPECT_EQ(dropped.head.body.kind, BodyKind::none);
  RequestText accepted(bytes, {.underscores = Underscores::accept});
  ASSERT_TRUE(accepted.complete());
  EXPECT_EQ(accepted.head.fields.size(), 5u);
  EXPECT_EQ(accepted.head.fields.find(FieldId::transfer_encoding), nullptr);
  expect_outcomes({{bytes, "400 field name with \"_\": \"X_Real_IP\""}},
                  {.underscores = Underscores::reject});
  expect_outcomes({{bytes, "431 more than 4 fields"}}, {.fields = 4});
}

TEST(H1Request, RequestLine) {
  constexpr const char* kVersion = " where \"HTTP/1.1\" and CR LF should be";
  expect_outcomes({
      {line("GET  /x HTTP/1.1"), "400 request-target: byte 0x20 is not allowed"},
      {line("GET /x y HTTP/1.1"), std::string("400 version: byte 0x79") + kVersion},
      {line("GET\t/x HTTP/1.1"), "400 method: byte 0x09 is not allowed"},
      {line("GET /x\tHTTP/1.1"), "400 request-target: byte 0x09 is not allowed"},
      {line("GET /x HTTP/1.1 "), std::string("400 version: byte 0x20") + kVersion},
      {line("GET /x  HTTP/1.1"), std::string("400 version: byte 0x20") + kVersion},
      {line(" GET /x HTTP/1.1"), "400 method: byte 0x20 is not allowed"},
      {line("GET /x"), "400 request line ends after its request-target"},
      {line("GET HTTP/1.1"), "400 request line ends after its request-target"},
      {line("GET "), "400 request line ends after its request-target"},
      {line("GET"), "400 request line ends after its method"},
      {line("GET /x "), std::string("400 version: byte 0x0d") + kVersion},
      {line("GET /x http/1.1"), std::string("400 version: byte 0x68") + kVersion},
      {line("GET /x HTTP/1"), std::string("400 version: byte 0x0d") + kVersion},
      {line("GET /x HTTP/1."), std::string("400 version: byte 0x0d") + kVersion},
      {line("GET /x HTTP/1.10"), std::string("400 version: byte 0x30") + kVersion},
      {line("GET /x HTTP/11.1"), std::string("400 version: byte 0x31") + kVersion},
      {line("GET /x HTTP/1.x"), std::string("400 version: byte 0x78") + kVersion},
      {line("GET /x HTTP/+1.1"), std::string("400 version: byte 0x2b") + kVersion},
      {line("GET /x ICY/1.1"), std::string("400 version: byte 0x49") + kVersion},
      {line("GET /x HTTP/1.1\r"), std::string("400 version: byte 0x0d") + kVersion},
      {line("GET /x HTTP/2.0"), "505 HTTP/2.0 is not spoken here"},
      {line("GET /x HTTP/3.1"), "505 HTTP/3.1 is not spoken here"},
      {line("GET /x HTTP/0.9"), "505 HTTP/0.9 is not spoken here"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 HTTP/2.0 is not spoken here"},
      {line("G(T /x HTTP/1.1"), "400 method: byte 0x28 is not allowed"},
      {line("G\xc3T /x HTTP/1.1"), "400 method: byte 0xc3 is not allowed"},
      {line(std::string(33, 'M') + " /x HTTP/1.1"), "501 method longer than 32 bytes"},
      {std::string(33, 'M'), "501 method longer than 32 bytes"},
      {line(std::string(32, 'M') + " /x HTTP/1.1"), "complete"},
      {line("get /x HTTP/1.1"), "complete"},
      {line("M-SEARCH /x HTTP/1.1"), "complete"},
      {line("GET /x HTTP/1.9"), "complete"},
      {"\x16\x03\x01\x02", "400 method: byte 0x16 is not allowed"},
      {with_nul("@"), "400 method: byte 0x00 is not allowed"},
  });
  EXPECT_EQ(RequestText(line("GET /x HTTP/1.0")).head.minor_version, 0);
  EXPECT_EQ(RequestText(line("GET /x HTTP/1.9")).head.minor_version, 1);
}

TEST(H1Request, EmptyLinesBeforeTheRequest) {
  expect_outcomes({
      {"\r\n" + get(""), "complete"},
      {"\r\n\r\n" + get(""), "complete"},
      {"\r\n\r\n\r\n" + get(""), "400 empty lines instead of a request"},
      {"\n" + get(""), "400 request line: LF without CR"},
      {"\r" + get(""), "400 request line: CR without LF"},
      {"\r\n", "incomplete"},
      {"\r", "incomplete"},
  });
  RequestText request("\r\n\r\n" + get(""));
  EXPECT_EQ(*request.result, request.block.size());
}

TEST(H1Request, Targets) {
  expect_outcomes({
      {line("GET /x#y HTTP/1.1"), "400 request-target with a fragment"},
      {line("GET /a-path-longer-than-sixteen#y HTTP/1.1"), "400 request-target with a fragment"},
      {line(with_nul("GET /x@ HTTP/1.1")), "400 request-target: byte 0x00 is not allowed"},
      {line("GET /\xe4 HTTP/1.1"), "400 request-target: byte 0xe4 is not allowed"},
      {line("GET /x?\xe4 HTTP/1.1"), "400 request-target: byte 0xe4 is not allowed"},
      {line("GET /x\x7f HTTP/1.1"), "400 request-target: byte 0x7f is not allowed"},
      {line("GET /x\\y HTTP/1.1"), "400 path: a backslash"},
      {line("GET /x%00 HTTP/1.1"), "400 path: an encoded NUL"},
      {line("GET /../x HTTP/1.1"), "400 path: \"..\" above the root"},
      {line("GET /x%zz HTTP/1.1"), "400 path: \"%\" without two hexadecimal digits"},
      {line("GET x HTTP/1.1"), "400 request-target is neither a path nor an http URI"},
      {line("GET * HTTP/1.1"), "400 request-target \"*\" is for OPTIONS only"},
      {line("OPTIONS *x HTTP/1.1"), "400 request-target is neither a path nor an http URI"},
      {line("GET a:80 HTTP/1.1"), "400 request-target is neither a path nor an http URI"},
      {line("GET ?x HTTP/1.1"), "400 request-target is neither a path nor an http URI"},
      {line("GET ftp://a/x HTTP/1.1"), "400 request-target is neither a path nor an http URI"},
      {line("GET http:/a/x HTTP/1.1"), "400 request-target is neither a path nor an http URI"},
      {line("GET http:a/x HTTP/1.1"), "400 request-target is neither a path nor an http URI"},
      {line("GET ://a/x HTTP/1.1"), "400 request-target is neither a path nor an http URI"},
      {line("GET http:///x HTTP/1.1"), "400 request-target without a host"},
      {line("GET http:// HTTP/1.1"), "400 request-target without a host"},
      {line("GET http://?x HTTP/1.1"), "400 request-target without a host"},
      {line("GET http://user@a/x HTTP/1.1"), "400 host: userinfo is not accepted"},
      {line("GET http://a:99999/x HTTP/1.1"), "400 host: the port is not a number from 0 to 65535"},
      {line("GET http://a\\b/x HTTP/1.1"), "400 host: a character that is not allowed"},
      {line("GET http://a/../x HTTP/1.1"), "400 path: \"..\" above the root"},
      {line("CONNECT a:443 HTTP/1.1"), "405 CONNECT is not accepted"},
      {line("CONNECT /x HTTP/1.1"), "405 CONNECT is not accepted"},
  });
}

struct TargetCase {
  std::string_view method;
  std::string_view target;
  std::string_view path;
  std::string_view query;
  std::string_view host;
};

TEST(H1Request, TargetForms) {
  for (const TargetCase& c : {TargetCase{"GET", "/x?a?b=/../%zz", "/x", "?a?b=/../%zz", "h"},
                              {"GET", "/x?", "/x", "?", "h"},
                              {"GET", "/%61//b", "/a/b", "", "h"},
                              {"OPTIONS", "*", "*", "", "h"},
                              {"GET", "http://Other:80/a/../b?c", "/b", "?c", "Other:80"},
                              {"GET", "HTTPS://other", "/", "", "other"},
                              {"GET", "http://other?c", "/", "?c", "other"},
                              {"GET", "http://other:/x", "/x", "", "other"},
                              {"OPTIONS", "http://other", "*", "", "other"},
                              {"OPTIONS", "http://other/", "/", "", "other"},
                              {"GET", "http://[::1]:8/x?http://evil/", "/x", "?http://evil/", "[::1]:8"},
                              {"GET", "/http://other/x", "/http:/other/x", "", "h"}}) {
    RequestText request(std::string(c.method) + " " + std::string(c.target) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_EQ(request.outcome(), "complete") << c.target;
    EXPECT_EQ(request.head.target, c.target);
    EXPECT_EQ(request.head.path, c.path) << c.target;
    EXPECT_EQ(request.head.has_query, !c.query.empty()) << c.target;
    EXPECT_EQ(request.head.query, c.query.substr(c.query.empty() ? 0 : 1)) << c.target;
    EXPECT_EQ(request.head.host, c.host) << c.target;
  }
}

TEST(H1Request, PathRulesComeFromTheLimits) {
  H1Limits limits;
  limits.path = {.merge_slashes = false, .keep_encoded_slashes = true};
  RequestText request(line("GET //a%2fb HTTP/1.1"), limits);
  ASSERT_TRUE(request.complete());
  EXPECT_EQ(request.head.path, "//a%2Fb");
}

TEST(H1Request, Host) {
  expect_outcomes({
      {"GET /x HTTP/1.1\r\n\r\n", "400 HTTP/1.1 request without Host"},
      {"GET http://a/x HTTP/1.1\r\n\r\n", "400 HTTP/1.1 request without Host"},
      {get("Host: b\r\n"), "400 more than one Host"},
      {get("hOST: a\r\n"), "400 more than one Host"},
      {"GET /x HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400 more than one Host"},
      {"GET /x HTTP/1.0\r\n\r\n", "complete"},
      {host(""), "complete"},
      {host("\t a \t"), "complete"},
      {host("a b"), "400 host: a character that is not allowed"},
      {host("a, b"), "400 host: a character that is not allowed"},
      {host("user@a"), "400 host: userinfo is not accepted"},
      {host("a/b"), "400 host: a character that is not allowed"},
      {host("a:b"), "400 host: the port is not a number from 0 to 65535"},
      {host("[::1"), "400 host: \"[\" without \"]\""},
      {host("\xe4"), "400 host: a character that is not allowed"},
      {"GET http://a/x HTTP/1.1\r\nHost: b@c\r\n\r\n", "400 host: userinfo is not accepted"},
  });
  EXPECT_EQ(RequestText(host("\t[::1]:8080 \t")).head.host, "[::1]:8080");
  EXPECT_EQ(RequestText(host("example.org:")).head.host, "example.org");
  EXPECT_EQ(RequestText("GET /x HTTP/1.0\r\n\r\n").head.host, "");
}

TEST(H1Request, ContentLength) {
  constexpr const char* kNumber = "400 Content-Length is not a number, or too large";
  std::vector<Case> cases;
  for (const char* value :
       {"", "+5", "-5", "0x5", "5 5", "5a", "5.0", "5,5", "5, 6", "5,", ",5", "\"5\"", "1e3", "\xb2", "5;",
        "9223372036854775808", "18446744073709551621", "999999999999999999999999999999"}) {
    cases.push_back({post("Content-Length: " + std::string(value) + "\r\n"), kNumber});
  }
  cases.push_back({post("Content-Length: 5\r\nContent-Length: 6\r\n"), "400 more than one Content-Length"});
  cases.push_back({post("Content-Length: 5\r\nContent-Length: 5\r\n"), "400 more than one Content-Length"});
  cases.push_back({post("Content-Length: 5\r\ncontent-length:\r\n"), "400 more than one Content-Length"});
  expect_outcomes(cases);
  struct Good {
    std::string value;
    uint64_t size;
  };
  for (const Good& good :
       {Good{"0", 0}, {"5", 5}, {"00005", 5}, {" \t5 ", 5}, {"9223372036854775807", INT64_MAX}}) {
    RequestText request(post("Content-Length:" + good.value + "\r\n"));
    ASSERT_EQ(request.outcome(), "complete") << good.value;
    EXPECT_EQ(request.head.body.kind, BodyKind::sized);
    EXPECT_EQ(request.head.body.size, good.size);
  }
  EXPECT_EQ(RequestText(post("")).head.body.kind, BodyKind::none);
}

TEST(H1Request, TransferEncoding) {
  constexpr const char* kFaulty = "400 Transfer-Encoding is not exactly \"chunked\"";
  constexpr const char* kUnknown = "501 transfer coding other than chunked";
  auto te = [](std::string value) { return post("Transfer-Encoding:" + value + "\r\n"); };
  expect_outcomes({
      {te(""), kFaulty},
      {te(" identity"), kFaulty},
      {te(" gzip"), kFaulty},
      {te(" xchunked"), kFaulty},
      {te(" chunkedx"), kFaulty},
      {te(" chunked x"), kFaulty},
      {te(" \"chunked\""), kFaulty},
      {te(" chunked,"), kFaulty},
      {te(" ,chunked"), kFaulty},
      {te(" chunked, chunked"), kFaulty},
      {te(" chunked, identity"), kFaulty},
      {te(" chunked, gzip"), kFaulty},
      {te(" gzip, chunked, chunked"), kFaulty},
      {te(" chunked;a=b"), kFaulty},
      {te(" gzip;a=\", chunked"), kFaulty},
      {te(" chunk\xe4"
          "d"),
       kFaulty},
      {te(" \x0b"
          "chunked"),
       "400 value of field \"Transfer-Encoding\": byte 0x0b is not allowed"},
      {te("\r\n chunked"), "400 folded line (a line that begins with a blank)"},
      {te(" chunked\r\nTransfer-Encoding: chunked"), kFaulty},
      {te(" chunked\r\nTransfer-Encoding: identity"), kFaulty},
      {te(" chunked\r\nTransfer-Encoding:"), kFaulty},
      {te(" gzip, chunked"), kUnknown},
      {te(" identity, chunked"), kUnknown},
      {te(" gzip;a=\"b, chunked\", chunked"), kUnknown},
      {te(" gzip\r\nTransfer-Encoding: chunked"), kUnknown},
      {te("chunked"), "complete"},
      {te(" \t CHUNKed\t "), "complete"},
      {"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Transfer-Encoding in HTTP/1.0"},
  });
  EXPECT_EQ(RequestText(te("chunked")).head.body.kind, BodyKind::streamed);
}

TEST(H1Request, SmugglingCorpus) {
  constexpr const char* kBoth = "400 both Transfer-Encoding and Content-Length";
  constexpr const char* kOld = "400 Transfer-Encoding in HTTP/1.0";
  std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
  expect_outcomes({
      {post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + smuggled, kBoth},
      {post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + "5c\r\n" + smuggled, kBoth},
      {post("content-length: 4\r\ntransfer-encoding: chunked\r\n"), kBoth},
      {post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), kBoth},
      {post("Content-Length: 4\r\nTransfer-Encoding: xchunked\r\n"), kBoth},
      {post("Content-Length: 4\r\nTransfer-Encoding: identity\r\n"), kBoth},
      {post("Content-Length: 4\r\nTransfer-Encoding:\r\n"), kBoth},
      {post("Content-Length: 4\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
       "400 more than one Content-Length"},
      {post("Content-Length: 4\r\nTransfer-Encoding : chunked\r\n"),
       "400 blank after field name \"Transfer-Encoding\""},
      {post("Content-Length: 4\r\n Transfer-Encoding: chunked\r\n"),
       "400 folded line (a line that begins with a blank)"},
      {post("Content-Length: 4\r\nX: y\nTransfer-Encoding: chunked\r\n"),
       "400 value of field \"X\": LF without CR"},
      {post("Content-Length: 4\r\nX: y\rTransfer-Encoding: chunked\r\n"),
       "400 value of field \"X\": CR without LF"},
      {post("Content-Length: 4\r\nTransfer-Encoding\x0b: chunked\r\n"),
       "400 field name: byte 0x0b is not allowed"},
      {post("Content-Length: 4\r\nTransfer\xad-Encoding: chunked\r\n"),
       "400 field name: byte 0xad is not allowed"},
      {post("Content-Length\x0b: 4\r\n"), "400 field name: byte 0x0b is not allowed"},
      {post(with_nul("Content-Length: 4@\r\n")),
       "400 value of field \"Content-Length\": byte 0x00 is not allowed"},
      {"POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", kOld},
      {"POST /x HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
       kOld},
      {"POST /x HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", kBoth},
      {"GET /x HTTP/1.1\r\nHost: a\r\nX: HTTP/1.1\r\nHost: b\r\n\r\n", "400 more than one Host"},
      {"TRACE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "400 TRACE with a body"},
      {"TRACE /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "400 TRACE with a body"},
      {"TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n", "complete"},
  });
  // What is behind a body is not a part of this head.
  RequestText request(get("Content-Length: " + std::to_string(smuggled.size()) + "\r\n") + smuggled);
  ASSERT_TRUE(request.complete());
  EXPECT_EQ(request.head.body.size, smuggled.size());
  EXPECT_EQ(*request.result, request.block.size() - smuggled.size());
}

TEST(H1Request, ConnectionOptions) {
  for (const char* name : {"Host",
                           "content-length",
                           "Content-Type",
                           "content-range",
                           "Transfer-Encoding",
                           "AUTHORIZATION",
                           "Cookie",
                           "Forwarded",
                           "X-Forwarded-For",
                           "x-forwarded-proto",
                           "X-Forwarded-Anything",
                           "X-Real-IP",
                           "X-Request-ID",
                           "X-Banyan-Side",
                           "Origin",
                           "Via",
                           "Date",
                           "Expect",
                           "Idempotency-Key",
                           "traceparent"}) {
    expect_outcomes({{get("Connection: close, " + std::string(name) + "\r\n"),
                      "400 Connection names \"" + std::string(name) + "\""}});
  }
  constexpr const char* kList = "400 Connection is not a list of up to 32 tokens";
  std::string options = "a";
  for (int i = 1; i < 32; ++i) options += ",a";
  expect_outcomes({
      {get("Connection: a b\r\n"), kList},
      {get("Connection: \"close\"\r\n"), kList},
      {get("Connection: close;x\r\n"), kList},
      {get("Connection: " + options + "\r\n"), "complete"},
      {get("Connection: " + options + ",a\r\n"), kList},
      {get("Connection: " + options + "\r\nConnection: a, a\r\n"), kList},
      {get("Connection: X-Own, TE, Keep-Alive, Proxy-Connection\r\n"), "complete"},
      {get("Connection:\r\n"), "complete"},
      {get("Connection: ,,close,\r\n"), "complete"},
  });
}

TEST(H1Request, KeepAlive) {
  auto keeps = [](std::string version, std::string connection) {
    RequestText request("GET / HTTP/" + version + "\r\nHost: a\r\n" + connection + "\r\n");
    EXPECT_TRUE(request.complete());
    return request.head.keep_alive;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_TRUE(keeps("1.1", "Connection: keep-alive\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: Close\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: keep-alive, close\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: keep-alive\r\nConnection: x, close\r\n"));
  EXPECT_TRUE(keeps("1.1", "Connection: closed\r\n"));
  EXPECT_FALSE(keeps("1.0", ""));
  EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("1.0", "Connection: keep-alive, close\r\n"));
  EXPECT_FALSE(keeps("1.0", "Proxy-Connection: keep-alive\r\n"));
}

TEST(H1Request, Upgrade) {
  auto upgrade = [](std::string fields, std::string version = "1.1") {
    RequestText request("GET / HTTP/" + version + "\r\nHost: a\r\n" + fields + "\r\n");
    EXPECT_EQ(request.outcome(), "complete") << fields;
    return std::string(request.head.upgrade);
  };
  EXPECT_EQ(upgrade("Connection: Upgrade\r\nUpgrade: WebSocket\r\n"), "WebSocket");
  EXPECT_EQ(upgrade("Upgrade: foo/2\r\nConnection: keep-alive, upgrade\r\n"), "foo/2");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n"), "websocket");
  EXPECT_EQ(upgrade("Upgrade: websocket\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade:\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: a, b\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: h2c, WebSocket\r\n"), "WebSocket");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: websocket, h2c\r\n"), "websocket");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"), "websocket");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: websocket/13\r\n"), "websocket/13");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: websocket/13, h2c\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: @, websocket\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: a/\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: H2C\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n"), "");
  EXPECT_EQ(upgrade("Connection: upgrade\r\nUpgrade: websocket\r\n", "1.0"), "");
}

TEST(H1Request, Expect) {
  expect_outcomes({
      {post("Expect: 100-continue\r\nContent-Length: 1\r\n"), "complete"},
      {post("Expect: else\r\nContent-Length: 1\r\n"), "417 Expect other than 100-continue"},
      {post("Expect:\r\n"), "417 Expect other than 100-continue"},
      {post("Expect: 100-continue, else\r\n"), "417 Expect other than 100-continue"},
      {post("Expect: 100-continue\r\nExpect: else\r\n"), "417 Expect other than 100-continue"},
      {"GET / HTTP/1.0\r\nExpect: else\r\n\r\n", "complete"},
  });
  auto expects = [](std::string bytes) { return RequestText(bytes).head.expect_continue; };
  EXPECT_TRUE(expects(post("Expect: 100-Continue\r\nContent-Length: 1\r\n")));
  EXPECT_TRUE(expects(post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n")));
  EXPECT_FALSE(expects(post("Expect: 100-continue\r\nContent-Length: 0\r\n")));
  EXPECT_FALSE(expects(post("Expect: 100-continue\r\n")));
  EXPECT_FALSE(expects("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
}

TEST(H1Request, Sizes) {
  H1Limits limits{.head = 200, .line = 50, .fields = 3};
  std::string longest = "GET /" + std::string(50 - 14, 'x') + " HTTP/1.1";
  ASSERT_EQ(longest.size(), 50u);
  expect_outcomes(
      {
          {longest + "\r\nHost: a\r\n\r\n", "complete"},
          {longest + "\r\nHost: a\r\nX: " + std::string(47, 'y') + "\r\n\r\n", "complete"},
          {"GET /x" + longest.substr(5) + "\r\nHost: a\r\n\r\n", "414 start line longer than 50 bytes"},
          {"GET /" + std::string(1000, 'x'), "414 start line longer than 50 bytes"},
          {get("X: " + std::string(48, 'y') + "\r\n"), "431 field line longer than 50 bytes"},
          {get("X: " + std::string(1000, 'y')), "431 field line longer than 50 bytes"},
          {get(std::string(1000, 'y')), "431 field line longer than 50 bytes"},
          {get("X:" + std::string(1000, ' ')), "431 field line longer than 50 bytes"},
          {get("A: b\r\nC: d\r\n"), "complete"},
          {get("A: b\r\nC: d\r\nE: f\r\n"), "431 more than 3 fields"},
      },
      limits);
  limits = {.head = 60, .line = 50, .fields = 10};
  std::string exact = get("X: " + std::string(60 - 33, 'y') + "\r\n");
  ASSERT_EQ(exact.size(), 60u);
  expect_outcomes(
      {
          {exact, "complete"},
          {exact.substr(0, 58) + "A: b\r\n\r\n", "431 more than 60 bytes before the end of the fields"},
          {get("X: y\r\n" + std::string(100, 'x')), "431 more than 60 bytes before the end of the fields"},
          {"\r\n\r\nGET /" + std::string(100, 'x'), "414 start line longer than 50 bytes"},
      },
      limits);
  limits = {.head = 40, .line = 50};
  expect_outcomes({{"GET /" + std::string(100, 'x'), "414 more than 40 bytes before the end of the fields"}},
                  limits);
}

TEST(H1Request, DefaultLimits) {
  expect_outcomes({
      {line("GET /" + std::string(8000, 'x') + " HTTP/1.1"), "complete"},
      {line("GET /" + std::string(9 << 10, 'x') + " HTTP/1.1"), "414 start line longer than 8192 bytes"},
      {get("X: " + std::string(9 << 10, 'x') + "\r\n"), "431 field line longer than 8192 bytes"},
  });
  std::string many;
  for (int i = 0; i < 99; ++i) many += "A: b\r\n";
  expect_outcomes({{get(many), "complete"}, {get(many + "A: b\r\n"), "431 more than 100 fields"}});
  std::string large;
  for (int i = 0; i < 5; ++i) large += "X: " + std::string(7000, 'x') + "\r\n";
  expect_outcomes({{get(large), "431 more than 32768 bytes before the end of the fields"}});
}

// A head in a small block that grows out of it is moved to a larger one while it is being parsed.
TEST(H1Request, BytesMayMoveBetweenCalls) {
  std::string bytes =
      "POST /a%2e/../b?q HTTP/1.1\r\nHost: a.example\r\nX-Own: value\r\nContent-Length: 3\r\n\r\nabc";
  for (size_t first = 0; first < bytes.size(); ++first) {
    BlockPool large(1000, 1);
    RequestHead head;
    H1HeadProgress progress;
    Result<size_t> size = size_t{0};
    {
      BlockOf small(std::string_view(bytes).substr(0, first));
      size = parse_request_head(small.ref(), 0, first, {}, progress, head);
      if (*size > 0) {
        head.clear();
        continue;
      }
    }
    BlockRef block = large.take();
    std::memcpy(block.bytes() + 500, bytes.data(), bytes.size());
    size = parse_request_head(block, 500, 500 + bytes.size(), {}, progress, head);
    ASSERT_TRUE(size.ok()) << size.error().message;
    EXPECT_EQ(*size, bytes.size() - 3) << first;
    EXPECT_EQ(head.method_text, "POST");
    EXPECT_EQ(head.target, "/a%2e/../b?q");
    EXPECT_EQ(head.path, "/b");
    EXPECT_EQ(head.query, "q");
    EXPECT_EQ(head.host, "a.example");
    EXPECT_EQ(head.fields.find("X-Own")->value, "value");
    EXPECT_EQ(head.body.size, 3u);
  }
}

TEST(H1Request, PipelinedRequestsFollowOneAnother) {
  std::string first = get("");
  BlockOf block(first + post("Content-Length: 2\r\n"));
  RequestHead head;
  H1HeadProgress progress;
  auto size = parse_request_head(block.ref(), 0, block.size(), {}, progress, head);
  ASSERT_TRUE(size.ok());
  ASSERT_EQ(*size, first.size());
  progress = {};
  size = parse_request_head(block.ref(), first.size(), block.size(), {}, progress, head);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(*size, block.size() - first.size());
  EXPECT_EQ(head.method, Method::post);
  EXPECT_EQ(head.fields.size(), 2u);
}

TEST(H1Request, AReusedHeadAllocatesNothing) {
  std::string bytes = get("Accept: a\r\nCookie: b\r\n");
  BlockOf block(bytes);
  RequestHead head;
  const Field* memory = nullptr;
  for (int round = 0; round < 3; ++round) {
    H1HeadProgress progress;
    ASSERT_TRUE(parse_request_head(block.ref(), 0, block.size(), {}, progress, head).ok());
    EXPECT_TRUE(round == 0 || head.fields.list().data() == memory);
    memory = head.fields.list().data();
  }
}

}  // namespace
}  // namespace banyan::http
