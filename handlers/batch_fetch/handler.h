// One batch_fetch handler in one worker: what its batches share.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "handler/type.h"
#include "handlers/batch_fetch/delegator.h"
#include "handlers/batch_fetch/gzip.h"
#include "handlers/batch_fetch/lateness.h"
#include "handlers/batch_fetch/meters.h"
#include "handlers/batch_fetch/object_cache.h"
#include "handlers/batch_fetch/object_store.h"
#include "handlers/batch_fetch/options.h"

namespace banyan::config {
struct HandlerEntry;
}

namespace banyan::handlers {

class BatchFetch final : public handler::Handler {
 public:
  // Error: the certificate authorities cannot be used; no shared memory for the cache.
  static Result<std::unique_ptr<handler::Handler>> make(const config::HandlerEntry& entry,
                                                        handler::Services& services);

  std::unique_ptr<handler::Session> open(handler::Call& call) override;
  Result<void> purge(const handler::Purge& purge) override;

  handler::Services& services() { return services_; }
  const BatchFetchOptions& options() const { return options_; }
  const BatchLimits& limits() const { return limits_; }
  Delegator& delegator() { return delegator_; }
  BatchMeters& meters() { return meters_; }
  Lateness& lateness() { return lateness_; }
  // Null when the answer is not to be compressed.
  Gzip* gzip_for(const http::RequestHead& request);
  // What operators should know about the store goes to the error log.
  void note_trouble(const Piece& piece);
  // The same of a batch that was answered without all that was asked for: perhaps nothing comes at all.
  void note_silence();

 private:
  BatchFetch(const config::HandlerEntry& entry, handler::Services& services,
             std::unique_ptr<ObjectCache> cache);

  bool is_news(std::string_view kind);

  const std::string& name_;
  handler::Services& services_;
  const BatchFetchOptions& options_;
  const BatchLimits limits_;
  BatchMeters meters_;
  Lateness lateness_;
  Gzip gzip_;
  std::unique_ptr<ObjectCache> cache_;  // or null
  ObjectStore store_;
  Delegator delegator_;
  std::map<std::string_view, TimePoint> told_;  // when each kind of trouble was logged last
};

}  // namespace banyan::handlers
