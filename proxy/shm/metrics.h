// The table of all metrics that processes count in shared memory (names without the prefix "banyan_").
//
// A series is a 64-bit key: the metric's number in the upper 8 bits and four values of 14 bits, one for each
// label in the order of the row. For a histogram the last one counts through its buckets. Label values are
// numbers of the directory or of a fixed set, so no client can make a new series. Numbers of metrics are in
// shared memory: append only. What is computed from other tables (rollouts, processes, servers) is in
// admin/metrics_page.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "shm/labels.h"

namespace banyan::shm {

enum class Metric : uint8_t {
  none,
  metrics_series_dropped,
  http_requests,                // route side method code
  http_request_duration,        // route side
  http_requests_in_flight,      // route side
  http_request_bytes,           // route side
  http_response_bytes,          // route side
  http_rejected,                // route reject_reason
  decisions,                    // route side reason
  fallback,                     // route fallback_reason
  connections_accepted,         //
  connections_failed,           // (TLS handshakes and heads that never came)
  tls_handshakes,               // outcome
  log_lines_dropped,            //
  upstream_requests,            // server code
  upstream_request_duration,    // server
  upstream_connects,            // server connect_result
  upstream_connections_active,  // server
  upstream_connections_idle,    // server
  upstream_retries,             // upstream retry_reason
  upstream_retries_refused,     // upstream (no budget left)
  upstream_pending,             // upstream
  upstream_pending_timeouts,    // upstream
  upstream_ejections,           // server
  upstream_bad_responses,       // server
  upstream_probes,              // server outcome
  lua_calls,                    // script lua_result
  lua_call_duration,            // script
  lua_memory_bytes,             // script
  lua_set_aside,                // script
  batch_requests,               // handler batch_result
  batch_keys,                   // handler batch_result
  batch_duration,               // handler
  reload,                       // outcome
  worker_deaths,                //
  fallback_refused,             // route (no budget left)
  connections_moved,            // route side
  batch_fetches,                // handler
  batch_fetch_duration,         // handler
  batch_queue_time,             // handler
  batch_deadline_margin,        // handler
  batch_cache_lookups,          // handler cache_result
  batch_coalesced,              // handler
  batch_retries,                // handler
  batch_hedges,                 // handler
  batch_hedges_won,             // handler
  upstream_breaker_openings,    // upstream
  upstream_breaker_refused,     // upstream
  events_connections,           // handler event_transport
  events_deliveries,            // handler event_transport
  events_dropped,               // handler event_drop
  events_closed,                // handler event_close
  events_resume,                // handler resume_result
  events_queue_bytes,           // handler
  events_too_fast,              // handler
  events_delivery_time,         // handler
  events_published,             // handler publish_result
  events_published_bytes,       // handler
  events_source_up,             // handler
  worker_stuck,                 //
  http_limit_dry_run,           // route reject_reason
  connections_refused,          // (too many of one address)
  overload_shed,                // overload_reason
  tls_handshakes_refused,       // (too many of one address, or in all)
  spliced_bytes,                //
  count_of_metrics,
};

enum class MetricType : uint8_t { counter, gauge, histogram };

struct MetricRow {
  Metric id;
  std::string_view name;  // without prefix; counters end in _total
  MetricType type;
  std::string_view help;
  std::span<const LabelValues> labels;  // at most 4, of a histogram 3
  std::span<const double> bounds = {};  // of a histogram: exactly kBounds upper bounds, in seconds
};

// A histogram is kBounds + 1 buckets (the last one for all that is larger) and then the sum in microseconds:
// this many consecutive entries.
inline constexpr size_t kBounds = 14;
inline constexpr size_t kHistogramEntries = kBounds + 2;

// All rows, in the order of Metric from 1 on.
std::span<const MetricRow> metric_rows();
// REQUIRES: id is neither none nor count_of_metrics.
const MetricRow& metric_row(Metric id);

// The key of a series: label values in the order of the row.
constexpr uint64_t series_key(Metric metric, uint32_t a = 0, uint32_t b = 0, uint32_t c = 0, uint32_t d = 0) {
  constexpr uint64_t kMask = (1 << 14) - 1;
  return uint64_t{static_cast<uint8_t>(metric)} << 56 | (a & kMask) << 42 | (b & kMask) << 28 |
         (c & kMask) << 14 | (d & kMask);
}
constexpr Metric metric_of(uint64_t key) { return static_cast<Metric>(key >> 56); }
constexpr uint32_t label_of(uint64_t key, size_t i) { return key >> (42 - 14 * i) & ((1 << 14) - 1); }
constexpr uint32_t value_of(auto label) { return static_cast<uint32_t>(label); }

}  // namespace banyan::shm
