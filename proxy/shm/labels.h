// The values that metric labels may have, where they are a fixed set. Numbers are stored in shared memory:
// append only. label_names() gives the texts.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace banyan::shm {

// Which side of a rollout; none: the route has no rollout, or no route was found.
enum class Side : uint8_t { none, legacy, native };

// Why that side. hash: the bucket of the client's address or of a client without any key; cookie, header: the
// bucket of such a key; fixed: the route has no choice.
enum class Reason : uint8_t { fixed, hash, cookie, header, lua, forced, fallback, health };

// Why native's failure was answered by legacy.
enum class FallbackReason : uint8_t { error, timeout, status, unavailable };

// Why a request was refused before it reached a target.
enum class RejectReason : uint8_t {
  rate,
  concurrency,
  denied,
  body_size,
  overload,
  malformed,
  no_route,
  loop
};

enum class ConnectResult : uint8_t { ok, refused, timeout, tls, resolve, limit, other };

enum class RetryReason : uint8_t { connect, reset, timeout };

// Numbered as lua::Failure.
enum class LuaResult : uint8_t {
  ok,
  runtime,
  wall,
  instructions,
  memory,
  bad_return,
  unknown_target,
  set_aside
};

enum class BatchResult : uint8_t { ok, not_found, timeout, error, rejected };

// What a look into a cache of objects gave; outdated: to be asked for again, with its ETag.
enum class CacheResult : uint8_t { hit, stale, outdated, miss };

enum class EventTransport : uint8_t { websocket, envelope, sse, long_poll };

// Why a subscriber did not get an event: its queue was full, or the connection was closed with events
// waiting.
enum class EventDrop : uint8_t { queue_full, closed };

// Why a subscriber's connection ended.
enum class EventClose : uint8_t {
  client,      // it went
  queue_full,  // it did not read
  no_pong,     // it did not answer
  protocol,    // what it sent was wrong
  too_fast,    // or too much
  too_big,
  rights,       // its token expired, or rights changed
  moved,        // its rollout has moved it
  drain,        // the process ends
  gap,          // events are missing, which a plain WebSocket cannot be told
  unavailable,  // the log did not take what it published
};

// Whether all events behind the place a subscriber named were there.
enum class ResumeResult : uint8_t { complete, gap };
// What became of an event that somebody wanted to publish; unauthorized: by token or rights.
enum class PublishResult : uint8_t { accepted, repeated, invalid, unauthorized, too_large, too_fast, failed };

enum class Outcome : uint8_t { ok, failed };

// What a worker that sheds load has too little of: time, descriptors, memory.
enum class OverloadReason : uint8_t { loop_lag, descriptors, memory };

// The sorts of values a label can have. `method` is numbered as http::Method, `code` is the status itself;
// the kinds of the directory are its numbers (0: "none").
enum class LabelValues : uint8_t {
  route,
  upstream,
  server,  // gives two labels: upstream and server
  handler,
  script,
  side,
  method,
  code,
  reason,
  fallback_reason,
  reject_reason,
  connect_result,
  retry_reason,
  lua_result,
  batch_result,
  outcome,
  cache_result,
  event_transport,
  event_drop,
  event_close,
  resume_result,
  publish_result,
  overload_reason,
};

// The texts of a fixed set in the order of its enum; empty for those of the directory and for code.
std::span<const std::string_view> label_texts(LabelValues values);

std::string_view overload_reason_name(OverloadReason reason);  // "loop_lag" "descriptors" "memory"
std::string_view side_name(Side side);                         // "none" "legacy" "native"
std::string_view fallback_reason_name(FallbackReason reason);  // "error" "timeout" "status" "unavailable"
std::string_view reason_name(
    Reason reason);  // "static" "hash" "cookie" "header" "lua" "forced" "fallback" "health"

}  // namespace banyan::shm
