#include "handlers/batch_fetch/object_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "event/loop.h"
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

bool has_port(std::string_view host) {
  const size_t colon = host.rfind(':');
  return colon != host.npos && host.find(']', colon) == host.npos;
}

Result<config::Address> address_of(const std::string& host, std::string_view scheme) {
  return config::parse_address(has_port(host) ? host : host + (scheme == "https" ? ":443" : ":80"));
}

std::string_view without_port(std::string_view host) {
  return has_port(host) ? host.substr(0, host.rfind(':')) : host;
}

// "amazonaws.com" of "s3.eu-west-3.amazonaws.com"; empty for addresses and short names.
std::string_view provider_of(std::string_view host) {
  if (host.find_first_not_of("0123456789.") == host.npos || host.starts_with('[')) return {};
  const size_t last = host.rfind('.');
  if (last == host.npos || last == 0) return {};
  const size_t before = host.rfind('.', last - 1);
  return before == host.npos ? std::string_view() : host.substr(before + 1);
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
  Result<config::Address> address = address_of(origin.host, origin.scheme);
  if (!address.ok()) return wrong_origin(address.error().message);
  origin.address = *std::move(address);
  std::string_view path = rest.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  origin.path = encode_path(path);
  return origin;
}

ObjectStore::ObjectStore(StoreOptions options, handler::Services& services, Callback on_ready)
    : options_(std::move(options)),
      services_(services),
      on_ready_(on_ready),
      tls_(options_.origin.scheme == "https" ? net::TlsContext::make_client(options_.tls)
                                             : Result<net::TlsContext>(proxy_error("plain HTTP"))),
      signer_(options_.credentials, options_.region, "s3"),
      host_(options_.origin.host),
      prefix_(options_.origin.path) {
  settings_.response_timeout = settings_.idle_timeout = options_.patience;
  settings_.limits = http::H1Limits::for_responses();
  if (options_.style == Style::virtual_host && !prefix_.empty()) {
    const size_t end = std::min(prefix_.find('/', 1), prefix_.size());
    host_ = fmt::format("{}.{}", prefix_.substr(1, end - 1), host_);
    prefix_.erase(0, end);
  }
  if (check().ok()) add_endpoint(host_, options_.origin.address);
}

Result<void> ObjectStore::check() const {
  if (options_.origin.scheme == "https" && !tls_.ok()) return tls_.error();
  return {};
}

bool ObjectStore::ready() { return endpoints_.front().connections->ready(); }

Connections& ObjectStore::add_endpoint(const std::string& host, const config::Address& address) {
  endpoints_.push_back(
      {host, std::make_unique<Connections>(services_, address, tls_.ok() ? &*tls_ : nullptr,
                                           std::string(without_port(host)), settings_, on_ready_)});
  return *endpoints_.back().connections;
}

Connections* ObjectStore::connections_of(std::string_view host) {
  for (Endpoint& endpoint : endpoints_) {
    if (endpoint.host == host) return endpoint.connections.get();
  }
  Result<config::Address> address = address_of(std::string(host), options_.origin.scheme);
  if (!address.ok() || endpoints_.size() >= kEndpoints) return nullptr;
  return &add_endpoint(std::string(host), *address);
}

std::unique_ptr<StoreGet> ObjectStore::get(const Ask& ask, StoreGet::Listener& listener) {
  Connections* connections = endpoints_.front().connections.get();
  std::string host = host_;
  if (!ask.endpoint.empty()) {
    if (Connections* other = connections_of(ask.endpoint)) {
      connections = other;
      host = ask.endpoint;
    }
  }
  auto get = std::make_unique<StoreGet>(services_, *connections, spares_, options_.max_object, listener);
  fill_head(ask, get->parts(), host);
  get->begin(ask.fresh);
  return get;
}

// What is signed and what is sent must be the same to the byte.
void ObjectStore::fill_head(const Ask& ask, GetParts& parts, const std::string& host) {
  parts.path.append(prefix_).append("/");
  append_encoded(parts.path, ask.key);
  http::RequestHead& head = parts.head;
  head.method = http::Method::get;
  head.method_text = "GET";
  head.path = parts.path;
  head.host = head.fields.arena().copy(host);
  if (!ask.etag.empty()) head.fields.add_copy("If-None-Match", ask.etag);
  if (!options_.sign) return;
  for (const auto& [name, value] : signer_.sign_get(host, parts.path, services_.loop.wall())) {
    head.fields.add_copy(name, value);
  }
}

bool ObjectStore::learn_region(const std::string& region) {
  if (!options_.sign || region.empty() || region == options_.region) return false;
  LOG(warn, "batch_fetch: {}: the bucket is in region {}, not {}", options_.origin.host, region,
      options_.region);
  options_.region = region;
  signer_ = Signer(options_.credentials, region, "s3");
  return true;
}

std::string ObjectStore::redirect_of(const Object& object) const {
  if (object.location.empty()) return {};
  Result<Origin> target = parse_origin(object.location.substr(0, object.location.find_first_of("?#")));
  if (!target.ok() || target->scheme != options_.origin.scheme || target->host == host_) return {};
  const std::string_view there = without_port(target->host), here = without_port(host_);
  const std::string_view provider = provider_of(here);
  const bool related = there == here || there == without_port(options_.origin.host) ||
                       (!provider.empty() && provider == provider_of(there));
  return related ? target->host : std::string();
}

}  // namespace banyan::handlers
