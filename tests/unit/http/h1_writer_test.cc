#include "http/h1_writer.h"

#include <gtest/gtest.h>

#include <string>

#include "messages.h"

namespace banyan::http {
namespace {

RequestHead request_of(std::string_view method, std::string_view path) {
  RequestHead head;
  head.method = parse_method(method);
  head.method_text = method;
  head.path = path;
  head.host = "example.org:80";
  return head;
}

std::string written(const RequestHead& head, const RequestOptions& options = {}) {
  std::string out;
  write_request_head(head, options, out);
  return out;
}

std::string written(const ResponseHead& head, const ResponseOptions& options = {}) {
  std::string out;
  write_response_head(head, options, out);
  return out;
}

TEST(WriteRequest, IsAppended) {
  RequestHead head = request_of("GET", "/a");
  std::string out = "before";
  write_request_head(head, {}, out);
  EXPECT_EQ(out, "beforeGET /a HTTP/1.1\r\nHost: example.org:80\r\n\r\n");
}

TEST(WriteRequest, FramingAndConnectionAreMadeAnew) {
  RequestHead head = request_of("POST", "/a");
  head.has_query = true;
  head.query = "b=c";
  head.body = {BodyKind::sized, 1234567890123};
  for (std::string_view name :
       {"Host", "connection", "Keep-Alive", "TE", "Transfer-Encoding", "Upgrade", "Content-Length",
        "HTTP2-Settings", "Proxy-Connection", "Proxy-Authorization"}) {
    head.fields.add(name, "evil");
  }
  head.fields.add("X-Own", "kept");
  head.fields.add("Empty", "");
  EXPECT_EQ(written(head, {.framing = Framing::sized, .keep_alive = false}),
            "POST /a?b=c HTTP/1.1\r\nHost: example.org:80\r\nX-Own: kept\r\nEmpty: \r\n"
            "Content-Length: 1234567890123\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(written(head, {.framing = Framing::chunked}),
            "POST /a?b=c HTTP/1.1\r\nHost: example.org:80\r\nX-Own: kept\r\nEmpty: \r\n"
            "Transfer-Encoding: chunked\r\n\r\n");
}

TEST(WriteRequest, ReceivedLinesHaveOneSpaceAndTheirOrder) {
  RequestText text(
      "GET /a HTTP/1.1\r\nHost: example.org\r\nA: 1\r\nB: 2\r\nnone:\r\nblank: \r\nC:3\r\nD:  4\r\nE:\t5\r\n"
      "Connection: close\r\nF: 6 \r\nG: 7\r\n\r\n");
  ASSERT_TRUE(text.complete()) << text.outcome();
  EXPECT_EQ(
      written(text.head),
      "GET /a HTTP/1.1\r\nHost: example.org\r\nA: 1\r\nB: 2\r\nnone: \r\nblank: \r\nC: 3\r\nD: 4\r\nE: 5\r\n"
      "F: 6\r\nG: 7\r\n\r\n");
}

TEST(WriteRequest, AReceivedLineWithAnotherValueIsTheNewOne) {
  RequestText text("GET /a HTTP/1.1\r\nHost: h\r\nA: first\r\nB: second\r\nC: third\r\n\r\n");
  ASSERT_TRUE(text.complete()) << text.outcome();
  auto& fields = text.head.fields.list();
  for (Field& field : fields) {
    if (field.name == "A") field.value = field.value.substr(0, 3);
    if (field.name == "B") field.value = "new";
  }
  EXPECT_EQ(written(text.head), "GET /a HTTP/1.1\r\nHost: h\r\nA: fir\r\nB: new\r\nC: third\r\n\r\n");
}

TEST(WriteRequest, NoBody) {
  constexpr std::string_view kLength = "Content-Length: 0\r\n";
  for (std::string_view method : {"POST", "PUT", "PATCH"}) {
    EXPECT_NE(written(request_of(method, "/")).find(kLength), std::string::npos) << method;
  }
  for (std::string_view method : {"GET", "HEAD", "DELETE", "OPTIONS", "M-SEARCH"}) {
    EXPECT_EQ(written(request_of(method, "/")).find(kLength), std::string::npos) << method;
  }
}

TEST(WriteRequest, Upgrade) {
  RequestHead head = request_of("GET", "/live");
  head.upgrade = "websocket";
  head.host = "";
  EXPECT_EQ(written(head),
            "GET /live HTTP/1.1\r\nHost: \r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(WriteRequest, TargetsCannotBreakOut) {
  auto first_line = [](std::string_view path, std::string_view query) {
    RequestHead head = request_of("GET", path);
    head.has_query = true;
    head.query = query;
    std::string out = written(head);
    return out.substr(0, out.find("\r\n"));
  };
  EXPECT_EQ(first_line("/a b\r\nc?d#e\xe4\x7f", "f g\nh?i#j"),
            "GET /a%20b%0D%0Ac%3Fd%23e%E4%7F?f%20g%0Ah?i%23j HTTP/1.1");
  EXPECT_EQ(first_line("a", ""), "GET /a? HTTP/1.1");
  EXPECT_EQ(first_line("", ""), "GET /? HTTP/1.1");
  EXPECT_EQ(first_line("http://evil/", "x"), "GET /http://evil/?x HTTP/1.1");
  RequestHead head = request_of("OPTIONS", "*");
  EXPECT_TRUE(written(head).starts_with("OPTIONS * HTTP/1.1\r\n"));
}

TEST(WriteRequest, FieldsCannotBreakOut) {
  RequestHead head = request_of("GET", "/");
  std::string value("a\r\nEvil: b\n\n\0c\td\x7f", 17);
  head.host = "h\r\nEvil: x";
  head.fields.add("X-A", value);
  head.fields.add("Bad\r\nEvil", "c");
  head.fields.add("Bad Name", "c");
  head.fields.add("Colon:", "c");
  head.fields.add("", "c");
  head.upgrade = "websocket\r\nEvil: y";
  EXPECT_EQ(written(head),
            "GET / HTTP/1.1\r\nHost: h  Evil: x\r\nX-A: a  Evil: b   c\td \r\n"
            "Connection: Upgrade\r\nUpgrade: websocket  Evil: y\r\n\r\n");
}

TEST(WriteRequest, EveryByteOfALongValueIsLookedAt) {
  for (size_t place = 0; place < 40; ++place) {
    std::string value(40, 'v');
    value[place] = '\n';
    RequestHead head = request_of("GET", "/");
    head.fields.add("X", value);
    value[place] = ' ';
    EXPECT_EQ(written(head), "GET / HTTP/1.1\r\nHost: example.org:80\r\nX: " + value + "\r\n\r\n");
  }
}

TEST(WriteRequestDeathTest, TheMethodMustBeAToken) {
  EXPECT_DEATH(written(request_of("GET /", "/")), "is_token");
  EXPECT_DEATH(written(request_of("", "/")), "is_token");
}

TEST(WriteResponse, StatusLine) {
  ResponseHead head;
  auto first_line = [&] {
    std::string out = written(head);
    return out.substr(0, out.find("\r\n"));
  };
  head.status = 404;
  EXPECT_EQ(first_line(), "HTTP/1.1 404 Not Found");
  head.reason = "Weg";
  EXPECT_EQ(first_line(), "HTTP/1.1 404 Weg");
  head.reason = "a\r\nSet-Cookie: evil";
  EXPECT_EQ(first_line(), "HTTP/1.1 404 a  Set-Cookie: evil");
  head.reason = {};
  head.status = 299;
  EXPECT_EQ(first_line(), "HTTP/1.1 299 ");
  for (int status : {0, 99, 1000, -200}) {
    head.status = status;
    EXPECT_EQ(first_line(), "HTTP/1.1 500 Internal Server Error") << status;
  }
}

TEST(WriteResponse, Framing) {
  ResponseHead head;
  head.fields.add("Content-Length", "99");
  head.fields.add("transfer-encoding", "gzip");
  head.fields.add("Connection", "X-Own");
  head.fields.add("X-Own", "1");
  head.body = {BodyKind::sized, 5};
  const std::string begin = "HTTP/1.1 200 OK\r\nX-Own: 1\r\n";
  EXPECT_EQ(written(head, {.framing = Framing::sized}), begin + "Content-Length: 5\r\n\r\n");
  EXPECT_EQ(written(head, {.framing = Framing::chunked}), begin + "Transfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(written(head, {.framing = Framing::until_close}), begin + "Connection: close\r\n\r\n");
  EXPECT_EQ(written(head, {.framing = Framing::none}), begin + "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(written(head, {.framing = Framing::sized, .keep_alive = false}),
            begin + "Content-Length: 5\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(written(head, {.framing = Framing::sized, .old_client = true}),
            begin + "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(written(head, {.framing = Framing::sized, .keep_alive = false, .old_client = true}),
            begin + "Content-Length: 5\r\nConnection: close\r\n\r\n");
}

TEST(WriteResponse, SizesOfBodiesThatAreNotSent) {
  ResponseHead head;
  auto length = [&](Method method) {
    std::string out = written(head, {.framing = Framing::none, .request_method = method});
    size_t at = out.find("Content-Length: ");
    return at == out.npos ? "" : out.substr(at + 16, out.find("\r\n", at) - at - 16);
  };
  EXPECT_EQ(length(Method::get), "0");
  EXPECT_EQ(length(Method::head), "");
  head.fields.add("Content-Length", "77");
  EXPECT_EQ(length(Method::head), "77");
  head.body = {BodyKind::sized, 5};
  EXPECT_EQ(length(Method::head), "5");
  head.status = 304;
  EXPECT_EQ(length(Method::get), "5");
  head.body = {BodyKind::streamed, 0};
  EXPECT_EQ(length(Method::get), "77");
  head.status = 204;
  EXPECT_EQ(length(Method::get), "");
  EXPECT_EQ(length(Method::head), "");
  head.status = 200;
  head.fields.clear();
  head.fields.add("Content-Length", "7, 7");
  EXPECT_EQ(length(Method::head), "");
  EXPECT_EQ(length(Method::get), "0");
}

TEST(WriteResponse, NeverFramesWhatHasNoBody) {
  ResponseHead head;
  head.status = 204;
  head.body = {BodyKind::sized, 5};
  EXPECT_EQ(written(head, {.framing = Framing::sized}), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(written(head, {.framing = Framing::chunked}), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(WriteResponse, InterimAndUpgrade) {
  ResponseHead head;
  head.status = 103;
  head.fields.add("Link", "<a>");
  EXPECT_EQ(written(head, {.interim = true, .keep_alive = false}),
            "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n");
  head.status = 101;
  head.fields.add("Upgrade", "websocket");
  head.fields.add("Connection", "evil");
  EXPECT_EQ(
      written(head, {.framing = Framing::until_close, .upgrade = true}),
      "HTTP/1.1 101 Switching Protocols\r\nLink: <a>\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

// RFC 9110 section 15.5.22.
TEST(WriteResponse, UpgradeRequiredSaysToWhat) {
  ResponseHead head;
  head.status = 426;
  head.body = {BodyKind::sized, 0};
  EXPECT_EQ(written(head, {.framing = Framing::sized}),
            "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
  head.fields.add("Upgrade", "websocket");
  EXPECT_EQ(written(head, {.framing = Framing::sized}),
            "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Content-Length: 0\r\n\r\n");
  head.status = 400;
  EXPECT_EQ(written(head, {.framing = Framing::sized}),
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

TEST(Writer, WhatWasWrittenIsReadAgain) {
  RequestText first(
      "PUT http://h:81/a/../%7eb?c HTTP/1.1\r\nHost: other\r\nConnection: keep-alive, X-Hop\r\nX-Hop: "
      "1\r\nX-End: 2\r\n"
      "Content-Length: 7\r\n\r\n");
  ASSERT_TRUE(first.complete());
  RequestHead onward = request_of("PUT", first.head.path);
  onward.query = first.head.query;
  onward.has_query = true;
  onward.host = first.head.host;
  onward.body = first.head.body;
  add_end_to_end_fields(first.head.fields, onward.fields);
  RequestText second(written(onward, {.framing = Framing::sized}));
  ASSERT_EQ(second.outcome(), "complete");
  EXPECT_EQ(second.head.target, "/~b?c");
  EXPECT_EQ(second.head.host, "h:81");
  EXPECT_EQ(second.head.body.size, 7u);
  EXPECT_EQ(second.head.fields.find("X-Hop"), nullptr);
  EXPECT_EQ(second.head.fields.find("X-End")->value, "2");
}

}  // namespace
}  // namespace banyan::http
