#include "handlers/batch_fetch/object_store.h"

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

struct Answer {
  explicit Answer(int status, std::string_view body = "b") {
    head.status = status;
    head.fields.add("content-type", "text/plain");
    head.fields.add("ETAG", "\"e\"");
    BlockRef block = pool.take();
    body.copy(block.bytes(), body.size());
    bytes.add({block, block.bytes(), body.size()});
  }
  Object object(bool conditional = false) {
    return read_object(head, bytes, conditional, std::chrono::system_clock::from_time_t(784111777));
  }

  BlockPool pool{1024, 1};
  http::ResponseHead head;
  Bytes bytes;
};
Object read(int status, std::string_view body = "b") {
  Answer answer(status, body);
  Object object = answer.object();
  EXPECT_EQ(object.body.view(), object.status == 200 ? body : "");
  object.body = {};  // before its pool
  return object;
}

TEST(ObjectStore, AnswersAboutTheKeyAreObjects) {
  const Object found = read(200);
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(found.error, "");
  EXPECT_EQ(found.content_type, "text/plain");
  EXPECT_EQ(found.etag, "\"e\"");

  const Object missing = read(404, "<Error><Code>NoSuchKey</Code></Error>");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.error, "");
  EXPECT_EQ(missing.code, "NoSuchKey");
  EXPECT_EQ(missing.content_type, "");
}

TEST(ObjectStore, DeniedObjectsHaveTheStoresCode) {
  EXPECT_EQ(read(403, "<?xml?><Error><Code>SignatureDoesNotMatch</Code><Message/></Error>").code,
            "SignatureDoesNotMatch");
  for (const char* odd : {"", "<Code>", "<Code></Code", "<Code>a b</Code>", "<Code>\"</Code>"}) {
    EXPECT_EQ(read(403, odd).code, "") << odd;
  }
}

TEST(ObjectStore, OtherAnswersAreFailures) {
  for (const auto& [status, error] : {std::pair{500, "http_500"},
                                      {503, "http_503"},
                                      {301, "http_301"},
                                      {429, "http_429"},
                                      {408, "http_408"}}) {
    const Object object = read(status);
    EXPECT_EQ(object.status, 0);
    EXPECT_EQ(object.error, error);
  }
  EXPECT_EQ(read(999).error, "protocol");
}

TEST(ObjectStore, NothingElseIsKnownOfAnObjectThatDidNotChange) {
  Answer answer(304, "");
  EXPECT_EQ(answer.object(true).status, 304);
  const Object unasked = answer.object();
  EXPECT_EQ(unasked.status, 0);
  EXPECT_EQ(unasked.error, "http_304");
}

TEST(ObjectStore, ObjectsThatAreKeptEncodedSayHow) {
  Answer packed(200), plain(200);
  packed.head.fields.add("Content-Encoding", "gzip");
  plain.head.fields.add("Content-Encoding", "Identity");
  EXPECT_EQ(packed.object().content_encoding, "gzip");
  EXPECT_EQ(plain.object().content_encoding, "");
}

TEST(ObjectStore, AStoreMaySayWhenToComeBack) {
  Answer busy(503);
  EXPECT_FALSE(busy.object().retry_after);
  busy.head.fields.add("Retry-After", "3");
  EXPECT_EQ(busy.object().retry_after, std::chrono::seconds(3));
}

Lifetime lifetime(std::initializer_list<std::pair<const char*, const char*>> fields) {
  http::Fields list;
  for (const auto& [name, value] : fields) list.add(name, value);
  return read_lifetime(list, std::chrono::system_clock::from_time_t(784111777));  // 06 Nov 1994 08:49:37
}

TEST(ObjectStore, LifetimesAreThoseOfASharedCache) {
  using namespace std::chrono_literals;
  EXPECT_FALSE(lifetime({}).fresh);
  EXPECT_EQ(lifetime({{"Cache-Control", "max-age=60"}}).fresh, 60s);
  EXPECT_EQ(lifetime({{"Cache-Control", "max-age=60, s-maxage=5"}}).fresh, 5s);
  EXPECT_EQ(lifetime({{"Cache-Control", "s-maxage=\"5\", max-age=60"}}).fresh, 5s);
  EXPECT_EQ(lifetime({{"Cache-Control", "max-age=60"}, {"Age", "50"}}).fresh, 10s);
  EXPECT_EQ(lifetime({{"Cache-Control", "max-age=60"}, {"Age", "70"}}).fresh, 0s);
  EXPECT_EQ(lifetime({{"Cache-Control", "no-cache, max-age=60"}}).fresh, 0s);
  EXPECT_EQ(lifetime({{"Cache-Control", "max-age=60, Stale-While-Revalidate=7"}}).while_revalidate, 7s);
  EXPECT_FALSE(lifetime({{"Cache-Control", "no-store"}}).storable);
  EXPECT_FALSE(lifetime({{"Cache-Control", "private"}}).storable);
  EXPECT_EQ(lifetime({{"Cache-Control", "max-age=x"}}).fresh, 0s);
  EXPECT_EQ(lifetime({{"Cache-Control", "s-maxage=-1, max-age=60"}}).fresh, 0s);
  EXPECT_FALSE(lifetime({{"Vary", "*"}}).storable);
  EXPECT_TRUE(lifetime({{"Vary", "Accept"}}).storable);
  EXPECT_GT(*lifetime({{"Cache-Control", "max-age=99999999999"}}).fresh, 86400s);
  EXPECT_EQ(lifetime({{"Expires", "Sun, 06 Nov 1994 08:50:37 GMT"}}).fresh, 60s);
  EXPECT_EQ(
      lifetime({{"Expires", "Sun, 06 Nov 1994 08:50:37 GMT"}, {"Date", "Sun, 06 Nov 1994 08:50:00 GMT"}})
          .fresh,
      37s);
  // "Never" is further away than the clock reaches.
  EXPECT_GT(*lifetime({{"Expires", "Fri, 31 Dec 9999 23:59:59 GMT"}}).fresh, 86400s);
  EXPECT_GT(
      *lifetime({{"Expires", "Fri, 31 Dec 9999 23:59:59 GMT"}, {"Date", "Mon, 01 Jan 0001 00:00:00 GMT"}})
           .fresh,
      86400s);
  EXPECT_EQ(lifetime({{"Expires", "Mon, 01 Jan 0001 00:00:00 GMT"}}).fresh, 0s);
  EXPECT_EQ(lifetime({{"Expires", "0"}}).fresh, 0s);
  EXPECT_EQ(lifetime({{"Cache-Control", "max-age=9"}, {"Expires", "0"}}).fresh, 9s);
}

TEST(ObjectStore, NamesFailures) {
  const auto reason = [](std::string_view type) {
    return failed_object(upstream_error(502, type, "x")).error;
  };
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
