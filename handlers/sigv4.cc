#include "handlers/sigv4.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <chrono>

#include "base/check.h"

namespace banyan::handlers {
namespace {

std::string sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  CHECK(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
                   EVP_sha256(), nullptr) == 1);
  return digest;
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::string digest(32, '\0');
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
             reinterpret_cast<unsigned char*>(digest.data()), nullptr) != nullptr);
  return digest;
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

std::string encode_path(std::string_view path) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  text.reserve(path.size() + path.size() / 4);
  for (unsigned char byte : path) {
    if (is_plain(byte)) {
      text.push_back(static_cast<char>(byte));
    } else {
      text.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return text;
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
const std::string& Signer::signing_key(std::string_view day) {
  if (key_day_ != day) {
    key_ = hmac_sha256("AWS4" + credentials_.secret_key, day);
    for (std::string_view part :
         {std::string_view(region_), std::string_view(service_), std::string_view("aws4_request")}) {
      key_ = hmac_sha256(key_, part);
    }
    key_day_ = day;
  }
  return key_;
}

std::string Signer::authorization(const SignedRequest& request, std::string_view date) {
  const std::string_view day = date.substr(0, 8);
  const std::string names = names_of(request);
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, region_, service_);
  const std::string to_sign = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", date, scope,
                                          hex(sha256(canonical_request(request, names))));
  return fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                     credentials_.access_key, scope, names, hex(hmac_sha256(signing_key(day), to_sign)));
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
