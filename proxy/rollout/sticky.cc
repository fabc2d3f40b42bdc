#include "rollout/sticky.h"

#include "http/chars.h"

namespace banyan::rollout {
namespace {

std::string_view trim_front(std::string_view text) {
  while (!text.empty() && http::chars::is_blank(text.front())) text.remove_prefix(1);
  return text;
}

StickyKey read_key(const config::ClientKey& key, const KeyReader& reader) {
  switch (key.kind) {
    case config::ClientKey::Kind::cookie:
      return {KeySource::cookie, key.name, reader.cookie(key.name)};
    case config::ClientKey::Kind::header:
      return {KeySource::header, key.name, reader.header(key.name)};
    case config::ClientKey::Kind::client_ip:
      return {KeySource::client_ip, {}, reader.client_ip()};
  }
  return {};
}

}  // namespace

std::string_view key_source_name(KeySource source) {
  switch (source) {
    case KeySource::none:
      return "none";
    case KeySource::cookie:
      return "cookie";
    case KeySource::header:
      return "header";
    case KeySource::client_ip:
      return "client_ip";
    case KeySource::lua:
      return "lua";
  }
  return "none";
}

StickyKey find_sticky_key(std::span<const config::ClientKey> keys, const KeyReader& reader) {
  for (const config::ClientKey& key : keys) {
    const StickyKey found = read_key(key, reader);
    if (!found.value.empty()) return found;
  }
  return {};
}

// One search per pair, for its end: this is on the path of every request.
std::string_view find_cookie(std::string_view field, std::string_view name) {
  while (!field.empty()) {
    field = trim_front(field);
    if (field.starts_with(name)) {
      const std::string_view rest = trim_front(field.substr(name.size()));
      if (rest.starts_with('=')) return http::chars::trim(rest.substr(1, rest.find(';') - 1));
    }
    const size_t end = field.find(';');
    field.remove_prefix(end == field.npos ? field.size() : end + 1);
  }
  return {};
}

}  // namespace banyan::rollout
