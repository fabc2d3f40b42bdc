#include "handlers/batch_fetch/sigv4.h"

#include <gtest/gtest.h>

#include <chrono>

namespace banyan::handlers {
namespace {

using namespace std::chrono_literals;

const Credentials kExample = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
constexpr std::string_view kDate = "20130524T000000Z";
constexpr std::string_view kHost = "examplebucket.s3.amazonaws.com";

// 2013-05-24 00:00:00 UTC.
const WallTime kDay = WallTime(std::chrono::sys_days(std::chrono::year(2013) / 5 / 24));

std::string signature(const std::string& authorization) {
  return authorization.substr(authorization.find("Signature=") + 10);
}

// The examples of "Authenticating Requests: Using the Authorization Header" in the S3 API reference.
TEST(SigV4, SignsTheExamplesOfTheS3Reference) {
  Signer signer(kExample, "us-east-1", "s3");
  SignedRequest get;
  get.path = "/test.txt";
  get.fields = {{"host", kHost},
                {"range", "bytes=0-9"},
                {"x-amz-content-sha256", kEmptyPayloadHash},
                {"x-amz-date", kDate}};
  EXPECT_EQ(signer.authorization(get, kDate),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");

  SignedRequest lifecycle;
  lifecycle.path = "/";
  lifecycle.query = "lifecycle=";
  lifecycle.fields = {{"host", kHost}, {"x-amz-content-sha256", kEmptyPayloadHash}, {"x-amz-date", kDate}};
  EXPECT_EQ(signature(signer.authorization(lifecycle, kDate)),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");

  SignedRequest list = lifecycle;
  list.query = "max-keys=2&prefix=J";
  EXPECT_EQ(signature(signer.authorization(list, kDate)),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");

  SignedRequest put;
  put.method = "PUT";
  const std::string path = encode_path("/test$file.text");
  put.path = path;
  put.payload_hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
  put.fields = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                {"host", kHost},
                {"x-amz-content-sha256", put.payload_hash},
                {"x-amz-date", kDate},
                {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  EXPECT_EQ(signature(signer.authorization(put, kDate)),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

// get-vanilla of the Signature Version 4 test suite.
TEST(SigV4, SignsForOtherServicesAndDays) {
  Signer signer({"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""}, "us-east-1", "service");
  SignedRequest request;
  request.path = "/";
  request.fields = {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}};
  const std::string expected = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
  EXPECT_EQ(signature(signer.authorization(request, "20150830T123600Z")), expected);
  // The key of one day is not used on another, in either direction.
  SignedRequest tomorrow = request;
  tomorrow.fields[1].second = "20150831T000000Z";
  EXPECT_NE(signature(signer.authorization(tomorrow, "20150831T000000Z")), expected);
  EXPECT_EQ(signature(signer.authorization(request, "20150830T123600Z")), expected);
}

TEST(SigV4, MakesTheFieldsOfAGet) {
  Signer signer(kExample, "us-east-1", "s3");
  const auto fields = signer.sign_get(kHost, "/a%20b", kDay);
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields[0].first, "X-Amz-Content-Sha256");
  EXPECT_EQ(fields[0].second, kEmptyPayloadHash);
  EXPECT_EQ(fields[1].first, "X-Amz-Date");
  EXPECT_EQ(fields[1].second, kDate);
  EXPECT_EQ(fields[2].first, "Authorization");
  // Computed with Python's hmac and hashlib.
  EXPECT_EQ(signature(fields[2].second), "148958ace6e83bc7d9893e7fb92c63d466140bd5acf2a0722d6fea26964f5651");
}

TEST(SigV4, SignsTheTokenOfTemporaryCredentials) {
  Credentials temporary = kExample;
  temporary.session_token =
      "AQoDYXdzEPT//////////"
      "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/"
      "qkPpKPi/kMcGd";
  Signer signer(temporary, "eu-central-1", "s3");
  const auto fields = signer.sign_get("127.0.0.1:9000", "/b/k", kDay);
  ASSERT_EQ(fields.size(), 4u);
  EXPECT_EQ(fields[2].first, "X-Amz-Security-Token");
  EXPECT_EQ(fields[2].second, temporary.session_token);
  EXPECT_NE(
      fields[3].second.find("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, "),
      std::string::npos);
  EXPECT_EQ(signature(fields[3].second), "f225eaad18cfe6510721b5689ce80f6e34004be40c60f8e9b2745b3e7d1199d8");
}

TEST(SigV4, EncodesEveryByteTheWayS3Does) {
  EXPECT_EQ(encode_path("a/b c+d%e?f#g&h=i@j:k"), "a/b%20c%2Bd%25e%3Ff%23g%26h%3Di%40j%3Ak");
  EXPECT_EQ(encode_path("A-Z_a.z~0/9"), "A-Z_a.z~0/9");
  EXPECT_EQ(encode_path("/../.hidden//x/"), "/../.hidden//x/");
  EXPECT_EQ(encode_path("p\xc3\xa4th\xf0\x9f\x8c\xb3"), "p%C3%A4th%F0%9F%8C%B3");
  EXPECT_EQ(encode_path(std::string_view("\0\x7f\r\n", 4)), "%00%7F%0D%0A");
  EXPECT_EQ(encode_path("a*b'c(d)e!f$g,h;i"), "a%2Ab%27c%28d%29e%21f%24g%2Ch%3Bi");
  EXPECT_EQ(encode_path(""), "");
}

TEST(SigV4, WritesDates) {
  EXPECT_EQ(amz_date(kDay), "20130524T000000Z");
  EXPECT_EQ(amz_date(kDay + 23h + 59min + 59s + 999ms), "20130524T235959Z");
  EXPECT_EQ(amz_date(WallTime(std::chrono::sys_days(std::chrono::year(2028) / 2 / 29)) + 1h + 2min + 3s),
            "20280229T010203Z");
}

}  // namespace
}  // namespace banyan::handlers
