#include "handlers/object_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "http/authority.h"

namespace banyan::handlers {
namespace {

Error wrong_origin(std::string why) { return proxy_error(std::move(why)); }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// 200 … 599 as static text, because results keep a view of it: "http_503".
std::string_view http_reason(int status) {
  static const auto reasons = [] {
    std::array<std::string, 600> texts;
    for (size_t i = 0; i < texts.size(); ++i) texts[i] = fmt::format("http_{}", i);
    return texts;
  }();
  return status >= 0 && status < 600 ? std::string_view(reasons[static_cast<size_t>(status)]) : "protocol";
}

bool is_about_the_key(int status) {
  return (status >= 200 && status < 300) || (status >= 400 && status < 500 && status != 408 && status != 429);
}

// "SignatureDoesNotMatch" of <Error><Code>SignatureDoesNotMatch</Code>…; only plain words are believed.
std::string error_code(std::string_view xml) {
  constexpr std::string_view kOpen = "<Code>", kClose = "</Code>";
  const size_t begin = xml.find(kOpen);
  if (begin == std::string_view::npos) return {};
  const size_t end = xml.find(kClose, begin);
  if (end == std::string_view::npos) return {};
  const std::string_view code = xml.substr(begin + kOpen.size(), end - begin - kOpen.size());
  const bool plain = code.size() <= 64 && std::all_of(code.begin(), code.end(), [](unsigned char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
                     });
  return plain ? std::string(code) : std::string();
}

}  // namespace

Result<Origin> parse_origin(std::string_view text) {
  Origin origin;
  const size_t colon = text.find("://");
  origin.scheme = lower(text.substr(0, colon));
  if (colon == std::string_view::npos || (origin.scheme != "http" && origin.scheme != "https")) {
    return wrong_origin("must begin with http:// or https://");
  }
  const std::string_view rest = text.substr(colon + 3);
  if (rest.find_first_of("?#") != std::string_view::npos) {
    return wrong_origin("must have neither a query nor a fragment");
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  if (authority.find('@') != std::string_view::npos) {
    return wrong_origin("must have no user: credentials are access_key and secret_key");
  }
  Result<std::string_view> checked = http::parse_authority(authority);
  if (authority.empty() || !checked.ok()) return wrong_origin("must have a host after the scheme");
  origin.host = lower(*checked);
  const std::string_view usual = origin.scheme == "http" ? ":80" : ":443";
  if (origin.host.ends_with(usual)) origin.host.resize(origin.host.size() - usual.size());
  std::string_view path = rest.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  origin.path = encode_path(path);
  return origin;
}

std::string_view reason_of(const Error& error) {
  constexpr std::pair<std::string_view, std::string_view> kReasons[] = {
      {"http_response_timeout", "timeout"},     {"connection_timeout", "timeout"},
      {"connection_refused", "connect"},        {"dns_error", "resolve"},
      {"tls_certificate_error", "tls"},         {"tls_protocol_error", "tls"},
      {"connection_terminated", "reset"},       {"http_response_incomplete", "reset"},
      {"http_response_body_size", "too_large"},
  };
  for (const auto& [type, reason] : kReasons) {
    if (error.type == type) return reason;
  }
  return "protocol";
}

Object read_object(Result<net::FetchResponse> answer) {
  Object object;
  if (!answer.ok()) {
    object.error = reason_of(answer.error());
    object.detail = std::move(answer).error().message;
    return object;
  }
  net::FetchResponse& response = *answer;
  if (!is_about_the_key(response.status)) {
    object.error = http_reason(response.status);
    object.detail = fmt::format("the store answers {}", response.status);
    return object;
  }
  object.status = response.status;
  if (response.status == 403) object.code = error_code(response.body);
  if (response.status >= 400) return object;
  object.content_type = response.find("Content-Type");
  object.etag = response.find("ETag");
  object.body = std::move(response.body);
  return object;
}

ObjectStore::ObjectStore(StoreOptions options, net::Fetcher& fetcher, const event::Loop& loop)
    : options_(std::move(options)),
      fetcher_(fetcher),
      loop_(loop),
      signer_(options_.credentials, options_.region, "s3") {}

std::unique_ptr<net::Fetch> ObjectStore::fetch(std::string_view key, net::Fetcher::Listener& listener) {
  const Origin& origin = options_.origin;
  const std::string path = fmt::format("{}/{}", origin.path, encode_path(key));
  net::FetchRequest request;
  request.url = fmt::format("{}://{}{}", origin.scheme, origin.host, path);
  request.max_body = options_.max_object;
  // What is signed and what is sent must be the same, so nothing here is left to the library.
  request.fields.push_back({"Host", origin.host});
  if (options_.sign) {
    for (auto& [name, value] : signer_.sign_get(origin.host, path, loop_.wall())) {
      request.fields.push_back({std::move(name), std::move(value)});
    }
  }
  return fetcher_.start(std::move(request), listener);
}

}  // namespace banyan::handlers
