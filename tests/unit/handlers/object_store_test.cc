#include "handlers/object_store.h"

#include <gtest/gtest.h>

namespace banyan::handlers {
namespace {

std::string problem(std::string_view text) {
  Result<Origin> origin = parse_origin(text);
  return origin.ok() ? "" : origin.error().message;
}

TEST(ObjectStore, ReadsOrigins) {
  Result<Origin> plain = parse_origin("http://127.0.0.1:4568/content");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->scheme, "http");
  EXPECT_EQ(plain->host, "127.0.0.1:4568");
  EXPECT_EQ(plain->path, "/content");

  Result<Origin> odd = parse_origin("HTTPS://S3.Example.Org:443/my bucket//");
  ASSERT_TRUE(odd.ok());
  EXPECT_EQ(odd->scheme, "https");
  EXPECT_EQ(odd->host, "s3.example.org");
  EXPECT_EQ(odd->path, "/my%20bucket");

  EXPECT_EQ(parse_origin("https://bucket.s3.amazonaws.com")->path, "");
  EXPECT_EQ(parse_origin("http://[::1]:80/")->host, "[::1]");
  EXPECT_EQ(parse_origin("http://h:8080")->host, "h:8080");
}

TEST(ObjectStore, RefusesOtherOrigins) {
  EXPECT_EQ(problem(""), "must begin with http:// or https://");
  EXPECT_EQ(problem("127.0.0.1:4568"), "must begin with http:// or https://");
  EXPECT_EQ(problem("ftp://h/x"), "must begin with http:// or https://");
  EXPECT_EQ(problem("http://"), "must have a host after the scheme");
  EXPECT_EQ(problem("http:///x"), "must have a host after the scheme");
  EXPECT_EQ(problem("http://a b/x"), "must have a host after the scheme");
  EXPECT_EQ(problem("http://h:99999/x"), "must have a host after the scheme");
  EXPECT_EQ(problem("http://user:pw@h/x"), "must have no user: credentials are access_key and secret_key");
  EXPECT_EQ(problem("http://h/x?y"), "must have neither a query nor a fragment");
  EXPECT_EQ(problem("http://h/x#y"), "must have neither a query nor a fragment");
}

net::FetchResponse response(int status, std::string body = "b") {
  net::FetchResponse response;
  response.status = status;
  response.fields = {{"content-type", "text/plain"}, {"ETAG", "\"e\""}};
  response.body = std::move(body);
  return response;
}

TEST(ObjectStore, AnswersAboutTheKeyAreObjects) {
  const Object found = read_object(response(200));
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(found.error, "");
  EXPECT_EQ(found.content_type, "text/plain");
  EXPECT_EQ(found.etag, "\"e\"");
  EXPECT_EQ(found.body, "b");

  const Object missing = read_object(response(404, "<Error><Code>NoSuchKey</Code></Error>"));
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.error, "");
  EXPECT_EQ(missing.code, "");
  EXPECT_EQ(missing.content_type, "");
  EXPECT_EQ(missing.body, "");
}

TEST(ObjectStore, DeniedObjectsHaveTheStoresCode) {
  EXPECT_EQ(
      read_object(response(403, "<?xml?><Error><Code>SignatureDoesNotMatch</Code><Message/></Error>")).code,
      "SignatureDoesNotMatch");
  for (const char* odd : {"", "<Code>", "<Code></Code", "<Code>a b</Code>", "<Code>\"</Code>"}) {
    EXPECT_EQ(read_object(response(403, odd)).code, "") << odd;
  }
}

TEST(ObjectStore, OtherAnswersAreFailures) {
  for (const auto& [status, error] : {std::pair{500, "http_500"},
                                      {503, "http_503"},
                                      {301, "http_301"},
                                      {304, "http_304"},
                                      {429, "http_429"},
                                      {408, "http_408"}}) {
    const Object object = read_object(response(status));
    EXPECT_EQ(object.status, 0);
    EXPECT_EQ(object.error, error);
  }
  EXPECT_EQ(read_object(response(999)).error, "protocol");
}

TEST(ObjectStore, NamesFailures) {
  const auto reason = [](std::string_view type) { return read_object(upstream_error(502, type, "x")).error; };
  EXPECT_EQ(reason("connection_refused"), "connect");
  EXPECT_EQ(reason("http_response_timeout"), "timeout");
  EXPECT_EQ(reason("connection_timeout"), "timeout");
  EXPECT_EQ(reason("dns_error"), "resolve");
  EXPECT_EQ(reason("tls_certificate_error"), "tls");
  EXPECT_EQ(reason("connection_terminated"), "reset");
  EXPECT_EQ(reason("http_response_incomplete"), "reset");
  EXPECT_EQ(reason("http_response_body_size"), "too_large");
  EXPECT_EQ(reason("http_protocol_error"), "protocol");
}

}  // namespace
}  // namespace banyan::handlers
