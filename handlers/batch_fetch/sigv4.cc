#include "handlers/batch_fetch/sigv4.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <chrono>

#include "base/check.h"

namespace banyan::handlers {
namespace {

constexpr size_t kDigest = 32;
constexpr size_t kBlock = 64;

const EVP_MD* sha256_method() {
  static const EVP_MD* const method =
      EVP_MD_fetch(nullptr, "SHA256", nullptr);  // once: it is looked up by name
  CHECK(method != nullptr);
  return method;
}

std::string finish(EVP_MD_CTX* digest) {
  std::string bytes(kDigest, '\0');
  CHECK(EVP_DigestFinal_ex(digest, reinterpret_cast<unsigned char*>(bytes.data()), nullptr) == 1);
  return bytes;
}

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (unsigned char byte : bytes) text.append({kDigits[byte >> 4], kDigits[byte & 15]});
  return text;
}

bool is_plain(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~' || c == '/';
}

std::string names_of(const SignedRequest& request) {
  std::string names;
  for (const auto& [name, value] : request.fields) names.append(names.empty() ? "" : ";").append(name);
  return names;
}

std::string canonical_request(const SignedRequest& request, std::string_view names) {
  std::string text = fmt::format("{}\n{}\n{}\n", request.method, request.path, request.query);
  for (const auto& [name, value] : request.fields) text.append(name).append(":").append(value).append("\n");
  text.append("\n").append(names).append("\n").append(request.payload_hash);
  return text;
}

}  // namespace

Hasher::Hasher() : work_(EVP_MD_CTX_new()), inner_(EVP_MD_CTX_new()), outer_(EVP_MD_CTX_new()) {
  CHECK(work_ && inner_ && outer_);
}

void Hasher::Free::operator()(evp_md_ctx_st* digest) const { EVP_MD_CTX_free(digest); }

std::string Hasher::sha256(std::string_view bytes) {
  CHECK(EVP_DigestInit_ex(work_.get(), sha256_method(), nullptr) == 1);
  CHECK(EVP_DigestUpdate(work_.get(), bytes.data(), bytes.size()) == 1);
  return finish(work_.get());
}

// RFC 2104: the digests after the two paddings of the key, from which each message goes on.
void Hasher::set_key(std::string_view key) {
  std::string block = key.size() > kBlock ? sha256(key) : std::string(key);
  block.resize(kBlock, '\0');
  for (const auto& [digest, padding] : {std::pair{inner_.get(), '\x36'}, {outer_.get(), '\x5c'}}) {
    std::string padded = block;
    for (char& c : padded) c = static_cast<char>(c ^ padding);
    CHECK(EVP_DigestInit_ex(digest, sha256_method(), nullptr) == 1);
    CHECK(EVP_DigestUpdate(digest, padded.data(), padded.size()) == 1);
  }
}

std::string Hasher::hmac(std::string_view bytes) {
  CHECK(EVP_MD_CTX_copy_ex(work_.get(), inner_.get()) == 1);
  CHECK(EVP_DigestUpdate(work_.get(), bytes.data(), bytes.size()) == 1);
  const std::string inner = finish(work_.get());
  CHECK(EVP_MD_CTX_copy_ex(work_.get(), outer_.get()) == 1);
  CHECK(EVP_DigestUpdate(work_.get(), inner.data(), inner.size()) == 1);
  return finish(work_.get());
}

std::string encode_path(std::string_view path) {
  std::string text;
  append_encoded(text, path);
  return text;
}

void append_encoded(std::string& text, std::string_view path) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  text.reserve(text.size() + path.size() + path.size() / 4);
  for (unsigned char byte : path) {
    if (is_plain(byte)) {
      text.push_back(static_cast<char>(byte));
    } else {
      text.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
}

std::string amz_date(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

Signer::Signer(Credentials credentials, std::string region, std::string service)
    : credentials_(std::move(credentials)), region_(std::move(region)), service_(std::move(service)) {}

// The key is good for a day, so its four HMACs are not made for each request.
void Signer::use_key_of(std::string_view day) {
  if (key_day_ == day) return;
  hasher_.set_key("AWS4" + credentials_.secret_key);
  std::string key = hasher_.hmac(day);
  for (std::string_view part :
       {std::string_view(region_), std::string_view(service_), std::string_view("aws4_request")}) {
    hasher_.set_key(key);
    key = hasher_.hmac(part);
  }
  hasher_.set_key(key);
  key_day_ = day;
}

std::string Signer::authorization(const SignedRequest& request, std::string_view date) {
  const std::string_view day = date.substr(0, 8);
  const std::string names = names_of(request);
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, region_, service_);
  use_key_of(day);
  const std::string to_sign = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", date, scope,
                                          hex(hasher_.sha256(canonical_request(request, names))));
  return fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                     credentials_.access_key, scope, names, hex(hasher_.hmac(to_sign)));
}

std::vector<std::pair<std::string, std::string>> Signer::sign_get(std::string_view host,
                                                                  std::string_view path, WallTime now) {
  const std::string date = amz_date(now);
  SignedRequest request;
  request.path = path;
  request.fields = {{"host", host}, {"x-amz-content-sha256", kEmptyPayloadHash}, {"x-amz-date", date}};
  std::vector<std::pair<std::string, std::string>> fields = {
      {"X-Amz-Content-Sha256", std::string(kEmptyPayloadHash)}, {"X-Amz-Date", date}};
  if (!credentials_.session_token.empty()) {
    request.fields.emplace_back("x-amz-security-token", credentials_.session_token);
    fields.emplace_back("X-Amz-Security-Token", credentials_.session_token);
  }
  fields.emplace_back("Authorization", authorization(request, date));
  return fields;
}

}  // namespace banyan::handlers
