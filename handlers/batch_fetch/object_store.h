// An S3-compatible store, or any HTTP server whose paths are keys: one GET for each object, signed, over
// connections of its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "handlers/batch_fetch/connections.h"
#include "handlers/batch_fetch/sigv4.h"
#include "handlers/batch_fetch/store_get.h"
#include "net/tls_context.h"

namespace banyan::handlers {

// Where objects are: "http://127.0.0.1:4568/content" is a store with path-style buckets and the bucket
// "content".
struct Origin {
  std::string scheme;       // "http" or "https"
  std::string host;         // lower case, with its port unless it is the scheme's
  std::string path;         // "" or "/content", encoded, without a slash at the end
  config::Address address;  // where to connect to
};

// The error's message says what is wrong with the text: no http or https, no host, a user, a query or a
// fragment.
Result<Origin> parse_origin(std::string_view text);

// How a bucket is named: in the path, or as a label before the host
// ("https://bucket.s3.eu-west-3.amazonaws.com/key").
enum class Style { path, virtual_host };

struct StoreOptions {
  Origin origin;
  Style style = Style::path;
  bool sign = false;  // with Signature V4
  std::string region;
  Credentials credentials;
  config::UpstreamTls tls;
  size_t max_object = 0;  // bytes
  Millis patience{0};     // how long a connection may be silent
};

class ObjectStore {
 public:
  // Services must outlive the store, and the store its GETs. `on_ready`: see ready().
  ObjectStore(StoreOptions options, handler::Services& services, Callback on_ready);

  // With https, whether the authorities can be used.
  Result<void> check() const;
  // False while the store's name is being looked up for the first time; on_ready follows, from the loop.
  bool ready();

  struct Ask {
    std::string_view key;            // any that parse_batch_request() lets through
    std::string_view etag = {};      // If-None-Match
    std::string_view endpoint = {};  // where the store sent us, see redirect_of(); empty: the origin
    bool fresh = false;              // on a connection that was not used before
  };
  // Begins a GET of an object.
  std::unique_ptr<StoreGet> get(const Ask& ask, StoreGet::Listener& listener);

  // The bucket is in another region: from now on it is signed for. False when that is nothing new.
  bool learn_region(const std::string& region);
  // The endpoint of a redirect that may be followed: the store's own host, whatever the port, or another host
  // of the same provider (the last two labels of the name are the same). Empty: it may not.
  std::string redirect_of(const Object& object) const;

 private:
  struct Endpoint {
    std::string host;  // as in Host
    std::unique_ptr<Connections> connections;
  };
  Connections* connections_of(std::string_view host);
  Connections& add_endpoint(const std::string& host, const config::Address& address);
  void fill_head(const Ask& ask, GetParts& parts, const std::string& host);

  static constexpr size_t kEndpoints = 8;

  StoreOptions options_;
  handler::Services& services_;
  Callback on_ready_;
  http::OutboundSettings settings_;
  Result<net::TlsContext> tls_;
  Signer signer_;
  std::string host_;    // as in Host, of the origin with its style
  std::string prefix_;  // of paths
  GetSpares spares_;
  std::vector<Endpoint> endpoints_;  // the origin is the first
};

}  // namespace banyan::handlers
