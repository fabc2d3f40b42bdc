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
  for (std::string_view yes : {"WebSocket", "h2c, websocket", "websocket/13"}) {
    request.upgrade = yes;
    EXPECT_TRUE(asks_for_websocket(request)) << yes;
  }
  for (std::string_view no : {"", "h2c", "websockets"}) {
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
