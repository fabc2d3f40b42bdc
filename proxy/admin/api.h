// The admin API: one for each controller. Its doors are handlers, one for the unix socket and one for TCP.
//
//   Exchange ─▶ ApiHandler (token?) ─▶ ApiSession (collects the body) ─▶ row of the table ─▶ Reply
//
// GET reads, POST changes; everything else is 405. Errors are application/problem+json (RFC 9457).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "admin/backend.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "control/rollout_book.h"
#include "handler/handler.h"
#include "shm/directory.h"
#include "shm/segment.h"

namespace banyan::admin {

// What the pages are made from. All references outlive the Api.
struct Sources {
  Backend& backend;
  control::RolloutBook& book;
  shm::Segment& segment;
  shm::Directory& directory;
  const Clock& clock;
  BufferPools& buffers;
  std::string version;  // of the program
};

class ApiSession;

class Api {
 public:
  // Largest body of a POST.
  static constexpr size_t kLargestBody = 64 * 1024;

  explicit Api(Sources sources) : sources_(std::move(sources)) {}
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // The master's answer to Backend::ask_reload() or ask_reopen(); a number nobody waits for any more is
  // dropped.
  void on_outcome(uint64_t request, bool done, const std::vector<std::string>& lines);

  Sources& sources() { return sources_; }

 private:
  friend class ApiSession;
  Sources sources_;
  std::map<uint64_t, ApiSession*> waiting_;
};

class ApiHandler final : public handler::Handler {
 public:
  // Without `token` whoever can connect may do everything (the unix socket's permissions decide). With one
  // every request needs "Authorization: Bearer TOKEN", which an empty token never fits. `door` says in the
  // journal which way an order came: "unix socket".
  ApiHandler(Api& api, std::string door, std::optional<std::string> token)
      : api_(api), door_(std::move(door)), token_(std::move(token)) {}

  std::unique_ptr<handler::Session> open(handler::Call& call) override;

 private:
  bool authorized(const handler::Call& call) const;

  Api& api_;
  std::string door_;
  std::optional<std::string> token_;
};

}  // namespace banyan::admin
