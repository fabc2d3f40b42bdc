// What the admin API needs from the process it lives in: the controller implements it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/change_order.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/schema.h"
#include "handler/handler.h"
#include "shm/labels.h"

namespace banyan::admin {

// A request to be explained. Nothing is sent anywhere for it.
struct ExplainRequest {
  std::string method = "GET";
  std::string path = "/";  // with query, as a client would send it
  std::string host;        // may have a port
  bool tls = false;
  std::string client_ip = "127.0.0.1";
  std::vector<std::pair<std::string, std::string>> headers;
};

// What the data path's own code said about it. Empty texts: does not apply.
struct Explanation {
  std::string route;    // name; empty: no route takes the request
  std::string rule;     // "host path", as in the configuration
  std::string where;    // "banyan.toml:31:1"
  std::string target;   // "rollout.content", "redirect", "reply"
  int status = 0;       // the answer given without any target (404, redirect, reply, Lua's status); 0: none
  std::string rollout;  // name, and what follows only if there is one
  shm::Side side = shm::Side::none;
  shm::Reason reason = shm::Reason::fixed;
  std::string key_source;  // "cookie:uid", "client_ip", "lua", "none"
  std::string key;
  std::optional<uint32_t> bucket;   // 0 to 9999
  std::optional<uint32_t> percent;  // hundredths of a percent
  std::string destination;          // "handler.content": where the request would go in the end
  std::string server;               // "127.0.0.1:3000": that would be picked now
  // What the routing script answered: "side": "native" …; with "error" if it failed.
  std::vector<std::pair<std::string, std::string>> lua;
};

struct ReloadResult {
  bool applied = false;
  WallTime when{};
  std::vector<std::string> lines;  // reasons or warnings, one a line
};

class Backend {
 public:
  virtual const config::Config& config() const = 0;
  virtual uint32_t generation() const = 0;
  // The last reload since the start, if any.
  virtual std::optional<ReloadResult> last_reload() const = 0;
  // Master and all workers of the configuration are there and ready.
  virtual bool ready() const = 0;
  // Ask the master; the outcome comes to Api::on_outcome() with the number returned here, later.
  virtual uint64_t ask_reload(const ChangeOrder& order) = 0;
  virtual uint64_t ask_rollback(const ChangeOrder& order) = 0;
  virtual uint64_t ask_confirm(const ChangeOrder& order) = 0;
  virtual uint64_t ask_reopen() = 0;
  // The outcome has a line of JSON for each kept configuration, the newest first; or one text, the
  // configuration of that number as config::print() has it.
  virtual uint64_t ask_history() = 0;
  virtual uint64_t ask_kept(uint32_t number) = 0;
  // What has not come to its end.
  virtual const Standing& standing() const = 0;
  // Errors: 400 for what is no request.
  virtual Result<Explanation> explain(const ExplainRequest& request) = 0;
  // The master that this one has replaced, while it drains.
  struct Predecessor {
    uint32_t pid = 0;
    uint64_t connections = 0;  // of clients; 0 also when its version does not tell
  };
  virtual std::optional<Predecessor> predecessor() const { return std::nullopt; }
  // "on", "off", or "not offered" (by the kernel): whether workers and controller gave up system calls.
  virtual std::string seccomp() const { return "off"; }
  // The files of our certificates and when they end.
  struct Certificate {
    std::string path;
    WallTime not_after{};
  };
  virtual std::vector<Certificate> certificates() const { return {}; }
  // Errors: 404 for a handler that is not there, 409 for one that keeps nothing.
  virtual Result<void> purge(std::string_view handler, const handler::Purge& purge) = 0;

 protected:
  ~Backend() = default;
};

}  // namespace banyan::admin
