// POST P/CHANNEL and POST P/: from the request's body to its answer.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "handler/handler.h"
#include "handlers/event_dispatch/publish_rights.h"
#include "handlers/event_dispatch/publisher.h"

namespace banyan::handlers {

struct PublishMeans {
  handler::Services& services;
  Publisher& publisher;
  std::shared_ptr<void> owner;  // of the publisher, which is to live as long as the session; or null
  PublishGrant grant;           // the client's
  std::function<void(http::Fields&)> decorate = {};  // adds fields to answers
};

// The body becomes one event of the channel, whose kind comes from its Content-Type (body_kind()). 202
// {"channel","offset","epoch"}, or the reasons as application/problem+json. Idempotency-Key: a text in quotes
// (draft-ietf-httpapi-idempotency-key-header) or as it stands, at most 255 bytes. Null: answered already.
std::unique_ptr<handler::Session> open_publish(handler::Call& call, PublishMeans means, std::string channel);

// The body is NDJSON (application/x-ndjson), an event on each line:
//
//   {"channel":"x","data":…,"key":"…"}     or "data_base64" for a binary event; a string in "data" is a text
//                                          event of its characters, other values are JSON events
//
// and so is the answer, a line for each in the same order: as for a single event, or its problem. 202 if all
// were taken, otherwise 207. Lines stand for themselves: those before and behind a refused one are published.
// Bodies of more than `most` bytes, or of more than a line for each kBytesPerLine of them: 413, and nothing
// is published. Null: answered already.
inline constexpr uint64_t kBytesPerLine = 32;
std::unique_ptr<handler::Session> open_batch_publish(handler::Call& call, PublishMeans means, uint64_t most);

}  // namespace banyan::handlers
