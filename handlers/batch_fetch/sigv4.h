// AWS Signature Version 4 for requests to S3-compatible stores ("Authenticating Requests: Using the
// Authorization Header" in the S3 API reference).
//
//   canonical request   METHOD \n path \n query \n name:value \n … \n\n name;name \n payload hash
//   string to sign      AWS4-HMAC-SHA256 \n time \n day/region/service/aws4_request \n SHA-256 of the above
//   signature           HMAC-SHA-256 with a key made of secret, day, region and service
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

struct evp_md_ctx_st;  // EVP_MD_CTX

namespace banyan::handlers {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // of temporary credentials, else empty
  bool operator==(const Credentials&) const = default;
};

// A name or path as S3 wants it in a URL and in the canonical request: all bytes but A-Z a-z 0-9 - . _ ~ and
// '/' as %XX in upper case. Dots stay, so the URL must be sent without removing "..".
std::string encode_path(std::string_view path);
void append_encoded(std::string& text, std::string_view path);

// SHA-256 of nothing, the payload hash of requests without a body.
inline constexpr std::string_view kEmptyPayloadHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// What is signed of a request.
struct SignedRequest {
  std::string_view method = "GET";
  std::string_view path;   // encoded, as it is sent
  std::string_view query;  // encoded, sorted by name; "a=1&b="
  // Names in lower case, sorted, values trimmed: at least host and x-amz-date.
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  std::string_view payload_hash = kEmptyPayloadHash;
};

// "20130524T000000Z".
std::string amz_date(WallTime time);

// SHA-256, and HMAC with a key that is used again and again.
class Hasher {
 public:
  Hasher();
  std::string sha256(std::string_view bytes);
  void set_key(std::string_view key);
  std::string hmac(std::string_view bytes);

 private:
  struct Free {
    void operator()(evp_md_ctx_st* digest) const;
  };
  using Digest = std::unique_ptr<evp_md_ctx_st, Free>;
  Digest work_;
  Digest inner_;
  Digest outer_;
};

class Signer {
 public:
  Signer(Credentials credentials, std::string region, std::string service);

  // The value of Authorization. `date` is amz_date() of now, the same as in the field x-amz-date.
  std::string authorization(const SignedRequest& request, std::string_view date);

  // The fields of a GET of `path` (encoded) from `host` (with its port unless it is the scheme's):
  // Authorization, X-Amz-Content-Sha256, X-Amz-Date, and X-Amz-Security-Token with temporary credentials.
  std::vector<std::pair<std::string, std::string>> sign_get(std::string_view host, std::string_view path,
                                                            WallTime now);

 private:
  void use_key_of(std::string_view day);

  Credentials credentials_;
  std::string region_;
  std::string service_;
  Hasher hasher_;
  std::string key_day_;  // of the hasher's key
};

}  // namespace banyan::handlers
