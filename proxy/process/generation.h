// Everything that is built from one configuration in a worker or the controller: handlers, upstream groups,
// rollouts, routes, the Lua script, TLS contexts. Complete and immutable once built; a reload makes another
// one beside it.
//
//   Worker ── current ──▶ Generation ◀── Exchange (each holds the one it began with)
//                             │ shared, if its configuration is the same in both
//                             ▼
//                       handlers, upstream groups
//
// This is the shared ownership of the program: a generation dies with the last exchange that began under it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "exchange/site.h"
#include "handler/type.h"
#include "lua/script.h"
#include "net/tls_context.h"
#include "process/configuration.h"
#include "route/route.h"
#include "route/router.h"
#include "shm/counters.h"
#include "shm/directory.h"
#include "shm/segment.h"
#include "upstream/group.h"

namespace banyan::process {

class Generation final : public route::TargetBook, public std::enable_shared_from_this<Generation> {
 public:
  // What it is built upon; outlives it.
  struct Surroundings {
    handler::Services& services;
    upstream::Surroundings upstreams;
    shm::Counters& counters;
    net::TlsTicketKeys& ticket_keys;
  };
  struct Options {
    // What a running system tolerates is an error: a certificate that has expired (unless it is the previous
    // generation's).
    bool strict = false;
    // Runs the Lua script's own tests; a failed one is an error.
    bool run_tests = false;
  };
  struct Built {
    std::shared_ptr<Generation> generation;       // to be used if there are no errors
    std::vector<config::Diagnostic> diagnostics;  // all there are
  };

  // Builds all of it, whatever goes wrong on the way, so that all diagnostics come at once. `previous` may be
  // null; what is the same in it is shared with it.
  static Built build(std::shared_ptr<const Configuration> configuration, const Surroundings& surroundings,
                     const Generation* previous, const Options& options);
  ~Generation();

  uint32_t number() const { return configuration_->number; }
  const config::Config& config() const { return configuration_->config; }

  // Becomes the current one: counters of the script go on, handlers succeed those they replace, those that
  // were left out get `time` from `now` on to end what lasts long, and new ones are activated. `previous` may
  // be null.
  void take_over_from(const Generation* previous, TimePoint now, Millis time);
  // The process stops within that time.
  void drain(Millis time);
  // For exchanges, which keep the generation alive with it.
  std::shared_ptr<const exchange::Site> site() { return {shared_from_this(), &site_}; }
  const route::Target* find_target(std::string_view name) const override;
  // The listener with that address and its TLS context (null: plain text); null for an unknown address.
  struct Listening {
    const config::Listener* listener = nullptr;
    const net::TlsContext* tls = nullptr;
  };
  const Listening* find_door(const std::string& address) const;
  // All certificates of listeners and upstreams, each once.
  std::vector<net::TlsContext::Certificate> certificates() const;
  // What will be wrong with them soon, a line each.
  std::vector<std::string> certificate_warnings(WallTime now) const;
  // By the upstream's name; null if there is none.
  upstream::Group* find_group(std::string_view name) const;

 private:
  class Builder;
  // A handler and the entry it was made from, which it may refer to. Shared by generations.
  struct HandlerHolder {
    config::HandlerEntry entry;
    std::unique_ptr<handler::Handler> handler;
  };
  // A handler that was left out. It lives until then, however many reloads there are, and as long as the
  // generation that holds it.
  struct Retired {
    std::shared_ptr<HandlerHolder> holder;
    TimePoint until;
  };
  // An upstream's handler belongs to one generation, its connections are shared by all that have the same.
  struct UpstreamHolder {
    std::shared_ptr<upstream::Group> group;
    std::unique_ptr<handler::Handler> handler;
  };
  // A target and what it points to.
  struct TargetHolder {
    route::Endpoint endpoint;
    route::RolloutTarget rollout;
    route::Target target;
  };

  bool has(const HandlerHolder& holder) const;
  void take_over_handlers(const Generation& previous, TimePoint now, Millis time);

  explicit Generation(std::shared_ptr<const Configuration> configuration)
      : configuration_(std::move(configuration)) {}

  std::shared_ptr<const Configuration> configuration_;
  std::map<std::string, std::shared_ptr<HandlerHolder>, std::less<>> handlers_;
  std::vector<Retired> retired_;
  std::map<std::string, UpstreamHolder, std::less<>> upstreams_;
  std::map<std::string, std::unique_ptr<TargetHolder>, std::less<>>
      targets_;  // by "upstream.node", "rollout.x" …
  std::unique_ptr<lua::Script> script_;
  std::unique_ptr<route::Router> router_;
  std::vector<std::unique_ptr<net::TlsContext>> tls_contexts_;
  std::map<std::string, Listening> doors_;
  exchange::Site site_;
};

}  // namespace banyan::process
