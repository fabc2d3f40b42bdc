#include "http/ws_handshake.h"

#include <gtest/gtest.h>

namespace banyan::http {
namespace {

class WsHandshakeTest : public testing::Test {
 protected:
  WsHandshakeTest() {
    request.method = Method::get;
    request.minor_version = 1;
    request.upgrade = "websocket";
  }
  void add(std::string_view name, std::string_view value) { request.fields.add(name, value); }
  int refusal() {
    auto accept = accept_websocket(request);
    return accept ? 0 : accept.error().status;
  }
  RequestHead request;
};

// RFC 6455 section 1.3.
TEST_F(WsHandshakeTest, TheExampleOfTheStandard) {
  add("Sec-WebSocket-Version", "13");
  add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  auto accept = accept_websocket(request);
  ASSERT_TRUE(accept.ok());
  EXPECT_EQ(*accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_F(WsHandshakeTest, Versions) {
  add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(refusal(), 400);
  add("Sec-WebSocket-Version", "8");
  EXPECT_EQ(refusal(), 426);
  request.fields.remove("Sec-WebSocket-Version");
  for (int i = 0; i < 2; ++i) add("Sec-WebSocket-Version", "13");
  EXPECT_EQ(refusal(), 400);
  EXPECT_EQ(accept_websocket(request).error().message, "Sec-WebSocket-Version must be there, and only once");
}

TEST_F(WsHandshakeTest, Keys) {
  add("Sec-WebSocket-Version", "13");
  EXPECT_EQ(refusal(), 400);
  for (std::string_view key : {"", "short==", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=x",
                               "dGhlIHNhbXBsZSBub25j!Q==", "dGhlIHNhbXBsZSBub25jZQAA"}) {
    request.fields.remove("Sec-WebSocket-Key");
    add("Sec-WebSocket-Key", key);
    EXPECT_EQ(refusal(), 400) << key;
  }
  request.fields.remove("Sec-WebSocket-Key");
  for (int i = 0; i < 2; ++i) add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(refusal(), 400) << "two keys";
}

// RFC 6455 sections 4.1 and 9.1.
TEST_F(WsHandshakeTest, ListsOfOffers) {
  add("Sec-WebSocket-Version", "13");
  add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  const auto refusal_of = [&](std::string_view name, std::string_view value) {
    add(name, value);
    const int status = refusal();
    request.fields.remove(name);
    return status;
  };
  constexpr std::string_view kProtocol = "Sec-WebSocket-Protocol", kExtensions = "Sec-WebSocket-Extensions";
  for (std::string_view good : {"a", "a, b", "a,,b", "A, a", "banyan.v1"}) {
    EXPECT_EQ(refusal_of(kProtocol, good), 0) << good;
  }
  for (std::string_view bad : {"", ",", "a b", "\"a\"", "a/b", "a, a", "a, b, a", "a;b", "\"a, b"}) {
    EXPECT_EQ(refusal_of(kProtocol, bad), 400) << bad;
  }
  for (std::string_view good :
       {"a", "a, b", "a,, ,b", "a;b", "a ; b = c;d=\"e\"", "a; b=\"\\c\"", "permessage-deflate; foo=1, x"}) {
    EXPECT_EQ(refusal_of(kExtensions, good), 0) << good;
  }
  for (std::string_view bad :
       {"", ",", "@@@", "a;", "a; , b", "; a", "a; =1", "a; b=", "a; b=\"c", "a; b=\"c\\", "a; b=\"c d\"",
        "a; b=\"c,d\", a", "a; b=\"\"", "a b", "a; b=c d", "a=b", "a; b=\"c\"d"}) {
    EXPECT_EQ(refusal_of(kExtensions, bad), 400) << bad;
  }
  add(kProtocol, "a");
  add(kProtocol, "a");
  EXPECT_EQ(refusal(), 400) << "twice, in two fields";
}

TEST_F(WsHandshakeTest, OnlyGetAndOnlyHttp11) {
  add("Sec-WebSocket-Version", "13");
  add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  request.minor_version = 0;
  EXPECT_EQ(refusal(), 400);
  request.minor_version = 1;
  request.method = Method::post;
  EXPECT_EQ(refusal(), 400);
}

TEST_F(WsHandshakeTest, WhoAsks) {
  EXPECT_TRUE(asks_for_websocket(request));
  for (std::string_view yes : {"WebSocket", "WEBSOCKET"}) {
    request.upgrade = yes;
    EXPECT_TRUE(asks_for_websocket(request)) << yes;
  }
  for (std::string_view no : {"", "h2c", "websockets", "websocket/13"}) {
    request.upgrade = no;
    EXPECT_FALSE(asks_for_websocket(request)) << no;
  }
}

TEST_F(WsHandshakeTest, Subprotocols) {
  add("Sec-WebSocket-Protocol", "chat, banyan.v1");
  add("sec-websocket-protocol", "other");
  EXPECT_TRUE(offers_subprotocol(request, "banyan.v1"));
  EXPECT_TRUE(offers_subprotocol(request, "other"));
  EXPECT_FALSE(offers_subprotocol(request, "Banyan.v1"));
  EXPECT_EQ(joined_values(request.fields, "Sec-WebSocket-Protocol"), "chat, banyan.v1, other");
}

}  // namespace
}  // namespace banyan::http
