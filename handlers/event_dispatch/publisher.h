// Adding events to the log on behalf of somebody: limits, schema, metrics, and waking who listens. The same
// for POST, batches, WebSocket clients and the source.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/schema.h"
#include "handler/bells.h"
#include "handler/type.h"
#include "handlers/event_dispatch/event_schema.h"
#include "shm/counters.h"
#include "shm/event_log.h"
#include "shm/rate_limiter.h"

namespace banyan::handlers {

struct PublishLimits {
  uint64_t max_message = 64 << 10;
  EventSchema schema;  // empty: anything
  config::Rate rate;   // of each publisher; count 0: no limit
};

// Of a key of repeats, in bytes, whichever way it comes.
inline constexpr size_t kLongestRepeatKey = 255;

struct NewEvent {
  std::string_view channel;  // REQUIRES: channel_name_problem() is null
  shm::EventKind kind = shm::EventKind::text;
  std::string_view data;  // REQUIRES: what `kind` says
  std::string_view key;   // of repeats; empty: none
  // Who publishes, for the rate limit: an address. Empty: somebody without a limit.
  std::string_view publisher;
  bool from_source = false;  // whose keys are not those of clients
};

// 202, or why not, as HTTP says it.
struct PublishAnswer {
  int status = 202;
  shm::EventId id;
  bool repeated = false;
  std::string detail;                // of a refusal, for people
  std::vector<FieldProblem> fields;  // 422: each field that does not fit
  Duration retry_after{};            // 429, 503
  std::string_view challenge;        // 401, 403: for WWW-Authenticate; static text
  bool ok() const { return status == 202; }
};
// `challenge`: static text.
PublishAnswer refusal(int status, std::string detail, std::string_view challenge = {});

class Publisher {
 public:
  // All references outlive it; the limits may change at any time. `number`: the handler's in the directory.
  Publisher(handler::Services& services, shm::EventLog& log, const PublishLimits& limits, uint32_t number);

  PublishAnswer publish(const NewEvent& event);
  // Counts a request that did not come so far.
  void note_refused(int status);
  const PublishLimits& limits() const { return limits_; }

 private:
  PublishAnswer judge(const NewEvent& event);
  PublishAnswer add(const NewEvent& event);
  void note(shm::PublishResult result);

  handler::Services& services_;
  shm::EventLog& log_;
  const PublishLimits& limits_;
  const uint32_t number_;
  shm::RateLimiter rates_;
  shm::Counter bytes_;
};

// {"channel":"x","offset":3,"epoch":7}, and "repeated":true for a repeat.
void append_published(std::string& json, std::string_view channel, const PublishAnswer& answer);
// The reasons in one line: "the event does not fit the schema: a is missing, b must be a string".
std::string problem_text(const PublishAnswer& answer);
// {"title":…,"status":422,"detail":…,"errors":[{"field":"a","detail":"is missing"}]} (RFC 9457).
void append_problem(std::string& json, const PublishAnswer& answer);

// Without parameters, in lower case.
std::string media_type(std::string_view content_type);

// As which kind the body of a publishing request counts, and whether it is what its type says.
struct BodyKind {
  shm::EventKind kind = shm::EventKind::binary;
  std::string_view problem;  // static text; empty if all is well
};
// application/json and …+json: JSON. text/…: UTF-8. None, or what curl -d says by itself
// (application/x-www-form-urlencoded): text if it is UTF-8. All others: binary. With a schema everything
// counts as JSON.
BodyKind body_kind(std::string_view content_type, std::string_view body, bool has_schema);

}  // namespace banyan::handlers
