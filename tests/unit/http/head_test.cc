#include "http/head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace banyan::http {
namespace {

using testing::ElementsAre;

TEST(Method, NamesAreCaseSensitive) {
  for (std::string_view name :
       {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}) {
    EXPECT_EQ(method_name(parse_method(name)), name);
  }
  EXPECT_EQ(parse_method("get"), Method::other);
  EXPECT_EQ(parse_method("GETS"), Method::other);
  EXPECT_EQ(parse_method(""), Method::other);
  EXPECT_EQ(method_name(Method::other), "OTHER");
}

TEST(Method, SafeAndIdempotent) {
  EXPECT_TRUE(is_safe(Method::get) && is_safe(Method::head) && is_safe(Method::options) &&
              is_safe(Method::trace));
  EXPECT_FALSE(is_safe(Method::put) || is_safe(Method::delete_) || is_safe(Method::post) ||
               is_safe(Method::other));
  EXPECT_TRUE(is_idempotent(Method::get) && is_idempotent(Method::put) && is_idempotent(Method::delete_));
  EXPECT_FALSE(is_idempotent(Method::post) || is_idempotent(Method::patch) ||
               is_idempotent(Method::connect) || is_idempotent(Method::other));
}

TEST(ReasonPhrase, KnownAndUnknown) {
  EXPECT_EQ(reason_phrase(100), "Continue");
  EXPECT_EQ(reason_phrase(404), "Not Found");
  EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(reason_phrase(511), "Network Authentication Required");
  EXPECT_EQ(reason_phrase(299), "");
  EXPECT_EQ(reason_phrase(0), "");
  EXPECT_EQ(reason_phrase(600), "");
  int last = 0;
  for (int status = 100; status < 600; ++status) {
    if (!reason_phrase(status).empty()) last = status;
  }
  EXPECT_EQ(last, 511);
}

TEST(HasNoBody, ByMethodAndStatus) {
  EXPECT_TRUE(has_no_body(Method::head, 200));
  EXPECT_TRUE(has_no_body(Method::get, 101));
  EXPECT_TRUE(has_no_body(Method::get, 204));
  EXPECT_TRUE(has_no_body(Method::get, 304));
  EXPECT_FALSE(has_no_body(Method::get, 200));
  EXPECT_FALSE(has_no_body(Method::get, 205));
  EXPECT_FALSE(has_no_body(Method::post, 404));
}

std::vector<std::string_view> names_after_hop(const Fields& from) {
  Fields to;
  add_end_to_end_fields(from, to);
  std::vector<std::string_view> names;
  for (const Field& field : to) names.push_back(field.name);
  return names;
}

TEST(EndToEndFields, HopByHopOnesStay) {
  Fields fields;
  for (std::string_view name : {"Host", "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization",
                                "Proxy-Authenticate", "TE", "Transfer-Encoding", "Upgrade", "HTTP2-Settings",
                                "Content-Length", "Content-Type", "Trailer", "Proxy-Status", "X-Own"}) {
    fields.add(name, "1");
  }
  EXPECT_THAT(names_after_hop(fields),
              ElementsAre("Host", "Content-Type", "Trailer", "Proxy-Status", "X-Own"));
}

TEST(EndToEndFields, ThoseThatConnectionNamesStay) {
  Fields fields;
  fields.add("X-One", "1");
  fields.add("Connection", "keep-alive, x-one");
  fields.add("x-TWO", "2");
  fields.add("X-Three", "3");
  fields.add("connection", "X-Two");
  fields.add("X-One", "again");
  EXPECT_THAT(names_after_hop(fields), ElementsAre("X-Three"));
}

TEST(Heads, ClearGivesTheStateOfANewOne) {
  RequestHead request;
  request.method = Method::put;
  request.path = "/x";
  request.has_query = true;
  request.keep_alive = false;
  request.expect_continue = true;
  request.upgrade = "websocket";
  request.body = {BodyKind::sized, 4};
  request.minor_version = 0;
  request.fields.add("a", "b");
  request.clear();
  EXPECT_EQ(request.method, Method::get);
  EXPECT_TRUE(request.path.empty() && request.upgrade.empty() && request.fields.empty());
  EXPECT_FALSE(request.has_query || request.expect_continue || request.storage);
  EXPECT_TRUE(request.keep_alive);
  EXPECT_EQ(request.minor_version, 1);
  EXPECT_EQ(request.body.kind, BodyKind::none);

  ResponseHead response;
  response.status = 500;
  response.reason = "x";
  response.keep_alive = false;
  response.body = {BodyKind::streamed, 0};
  response.fields.add("a", "b");
  response.clear();
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.reason.empty() && response.keep_alive && response.fields.empty());
  EXPECT_EQ(response.body.kind, BodyKind::none);
}

}  // namespace
}  // namespace banyan::http
