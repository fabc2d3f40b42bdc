#include "shm/metrics.h"

#include <array>

#include "base/check.h"

namespace banyan::shm {
namespace {

template <LabelValues... kValues>
constexpr std::array<LabelValues, sizeof...(kValues)> kLabels = {kValues...};

// OpenTelemetry's advice for http.server.request.duration.
constexpr std::array<double, kBounds> kRequestSeconds = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                                         0.5,   0.75, 1,     2.5,  5,     7.5, 10};
// A routing rule takes microseconds; its limit is some milliseconds.
constexpr std::array<double, kBounds> kRuleSeconds = {2e-6, 5e-6, 1e-5, 2e-5, 5e-5,  1e-4,  2e-4,
                                                      5e-4, 1e-3, 2e-3, 5e-3, 0.010, 0.025, 0.05};

// Waiting times that should be hardly any; the first bucket is for none.
constexpr std::array<double, kBounds> kShortSeconds = {0,    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025,
                                                       0.05, 0.1,    0.25,  0.5,   1,     2.5,  5};

using enum LabelValues;
using enum MetricType;

constexpr std::array kRows = {
    MetricRow{Metric::metrics_series_dropped,
              "metrics_series_dropped_total",
              counter,
              "Updates of series for which there was no room.",
              {}},
    MetricRow{Metric::http_requests, "http_requests_total", counter, "Requests answered.",
              kLabels<route, side, method, code>},
    MetricRow{Metric::http_request_duration, "http_request_duration_seconds", histogram,
              "From the request's first byte to the end of the answer.", kLabels<route, side>,
              kRequestSeconds},
    MetricRow{Metric::http_requests_in_flight, "http_requests_in_flight", gauge, "Requests under way.",
              kLabels<route, side>},
    MetricRow{Metric::http_request_bytes, "http_request_bytes_total", counter,
              "Bytes received from clients, heads included.", kLabels<route, side>},
    MetricRow{Metric::http_response_bytes, "http_response_bytes_total", counter,
              "Bytes sent to clients, heads included.", kLabels<route, side>},
    MetricRow{Metric::http_rejected, "http_rejected_total", counter,
              "Requests refused before they reached a target.", kLabels<route, reject_reason>},
    MetricRow{Metric::decisions, "decisions_total", counter, "Which side requests were sent to, and why.",
              kLabels<route, side, reason>},
    MetricRow{Metric::fallback, "fallback_total", counter,
              "Failures of the native side that legacy was asked to answer.",
              kLabels<route, fallback_reason>},
    MetricRow{Metric::connections_accepted,
              "connections_accepted_total",
              counter,
              "Client connections accepted.",
              {}},
    MetricRow{Metric::connections_failed,
              "connections_failed_total",
              counter,
              "Client connections that ended before a whole request head came.",
              {}},
    MetricRow{Metric::tls_handshakes, "tls_handshakes_total", counter, "TLS handshakes with clients.",
              kLabels<outcome>},
    MetricRow{Metric::log_lines_dropped,
              "log_lines_dropped_total",
              counter,
              "Log lines lost because the disk was too slow or full.",
              {}},
    MetricRow{Metric::upstream_requests, "upstream_requests_total", counter, "Requests answered by a server.",
              kLabels<server, code>},
    MetricRow{Metric::upstream_request_duration, "upstream_request_duration_seconds", histogram,
              "From handing a request to a server to the head of its answer.", kLabels<server>,
              kRequestSeconds},
    MetricRow{Metric::upstream_connects, "upstream_connects_total", counter,
              "Connections opened to a server.", kLabels<server, connect_result>},
    MetricRow{Metric::upstream_connections_active, "upstream_connections_active", gauge,
              "Connections to a server with a request on them.", kLabels<server>},
    MetricRow{Metric::upstream_connections_idle, "upstream_connections_idle", gauge,
              "Connections to a server kept for the next request.", kLabels<server>},
    MetricRow{Metric::upstream_retries, "upstream_retries_total", counter,
              "Further attempts after a failed one.", kLabels<upstream, retry_reason>},
    MetricRow{Metric::upstream_retries_refused, "upstream_retries_refused_total", counter,
              "Further attempts not made because the retry budget was used up.", kLabels<upstream>},
    MetricRow{Metric::upstream_pending, "upstream_pending", gauge, "Requests waiting for a connection.",
              kLabels<upstream>},
    MetricRow{Metric::upstream_pending_timeouts, "upstream_pending_timeouts_total", counter,
              "Requests that waited too long for a connection.", kLabels<upstream>},
    MetricRow{Metric::upstream_ejections, "upstream_ejections_total", counter,
              "How often a server was set aside after failures in a row.", kLabels<server>},
    MetricRow{Metric::upstream_bad_responses, "upstream_bad_responses_total", counter,
              "Answers of a server that were not valid HTTP.", kLabels<server>},
    MetricRow{Metric::upstream_probes, "upstream_probes_total", counter, "Active health checks.",
              kLabels<server, outcome>},
    MetricRow{Metric::lua_calls, "lua_calls_total", counter, "Calls of a routing script.",
              kLabels<script, lua_result>},
    MetricRow{Metric::lua_call_duration, "lua_call_duration_seconds", histogram, "Time in a routing script.",
              kLabels<script>, kRuleSeconds},
    MetricRow{Metric::lua_memory_bytes, "lua_memory_bytes", gauge, "Memory of a routing script's states.",
              kLabels<script>},
    MetricRow{Metric::lua_set_aside, "lua_set_aside", gauge,
              "Workers that set a script aside after failures.", kLabels<script>},
    MetricRow{Metric::batch_requests, "batch_requests_total", counter, "Requests to a batch_fetch handler.",
              kLabels<handler, batch_result>},
    MetricRow{Metric::batch_keys, "batch_keys_total", counter, "Keys asked of a batch_fetch handler.",
              kLabels<handler, batch_result>},
    MetricRow{Metric::batch_duration, "batch_duration_seconds", histogram, "Duration of batches.",
              kLabels<handler>, kRequestSeconds},
    MetricRow{Metric::reload, "reload_total", counter, "Reloads of the configuration.", kLabels<outcome>},
    MetricRow{
        Metric::worker_deaths, "worker_deaths_total", counter, "Workers that died and were replaced.", {}},
    MetricRow{
        Metric::fallback_refused, "fallback_refused_total", counter,
        "Failures of the native side that legacy was not asked to answer because the budget was used up.",
        kLabels<route>},
    MetricRow{Metric::connections_moved, "connections_moved_total", counter,
              "Tunnels and event streams of a side ended because their client belongs to the other one now.",
              kLabels<route, side>},
    MetricRow{Metric::batch_fetches, "batch_fetches_total", counter,
              "Objects a batch_fetch handler began to fetch from its store.", kLabels<handler>},
    MetricRow{Metric::batch_fetch_duration, "batch_fetch_duration_seconds", histogram,
              "From asking the store for an object to the end of its answer.", kLabels<handler>,
              kRequestSeconds},
    MetricRow{Metric::batch_queue_time, "batch_queue_time_seconds", histogram,
              "From the arrival of a batch to its first fetch.", kLabels<handler>, kShortSeconds},
    MetricRow{Metric::batch_deadline_margin, "batch_deadline_margin_seconds", histogram,
              "What was left until the deadline when the answer of a batch was written; 0 for late ones.",
              kLabels<handler>, kShortSeconds},
    MetricRow{Metric::batch_cache_lookups, "batch_cache_lookups_total", counter,
              "Keys looked for in the cache of a batch_fetch handler.", kLabels<handler, cache_result>},
    MetricRow{Metric::batch_coalesced, "batch_coalesced_total", counter,
              "Keys that waited for a fetch another request had begun.", kLabels<handler>},
    MetricRow{Metric::batch_retries, "batch_retries_total", counter,
              "Further attempts to fetch an object after a failed one.", kLabels<handler>},
    MetricRow{Metric::batch_hedges, "batch_hedges_total", counter, "Second attempts beside a slow first one.",
              kLabels<handler>},
    MetricRow{Metric::batch_hedges_won, "batch_hedges_won_total", counter,
              "Second attempts that were answered first.", kLabels<handler>},
    MetricRow{Metric::upstream_breaker_openings, "upstream_breaker_openings_total", counter,
              "How often the circuit breaker of an upstream opened.", kLabels<upstream>},
    MetricRow{Metric::upstream_breaker_refused, "upstream_breaker_refused_total", counter,
              "Requests that an open circuit breaker did not let through.", kLabels<upstream>},
    MetricRow{Metric::events_connections, "events_connections", gauge,
              "Subscribers of an event_dispatch handler.", kLabels<handler, event_transport>},
    MetricRow{Metric::events_deliveries, "events_deliveries_total", counter,
              "Events sent or queued to subscribers, each of them counted.",
              kLabels<handler, event_transport>},
    MetricRow{Metric::events_dropped, "events_dropped_total", counter, "Events that subscribers did not get.",
              kLabels<handler, event_drop>},
    MetricRow{Metric::events_closed, "events_closed_total", counter, "Why connections of subscribers ended.",
              kLabels<handler, event_close>},
    MetricRow{Metric::events_resume, "events_resume_total", counter,
              "Channels that subscribers asked to be resumed, and whether all events were there.",
              kLabels<handler, resume_result>},
    MetricRow{Metric::events_queue_bytes, "events_queue_bytes", gauge,
              "Memory of events that wait for slow subscribers.", kLabels<handler>},
    MetricRow{Metric::events_too_fast, "events_too_fast_total", counter,
              "Clients that sent more than half of what they may.", kLabels<handler>},
    MetricRow{Metric::events_delivery_time, "events_delivery_seconds", histogram,
              "From the publication of an event until it was sent to the last subscriber of a worker.",
              kLabels<handler>, kShortSeconds},
    MetricRow{Metric::events_published, "events_published_total", counter,
              "Events that somebody wanted to publish.", kLabels<handler, publish_result>},
    MetricRow{Metric::events_published_bytes, "events_published_bytes_total", counter,
              "Bytes of the events published.", kLabels<handler>},
    MetricRow{Metric::events_source_up, "events_source_up", gauge,
              "Whether the source of an event_dispatch handler can be read.", kLabels<handler>},
    MetricRow{Metric::worker_stuck,
              "worker_stuck_total",
              counter,
              "Processes that were killed and replaced because their loop did not turn any more.",
              {}},
    MetricRow{Metric::http_limit_dry_run, "http_limit_dry_run_total", counter,
              "Requests that a limit would have refused if it were not on trial.",
              kLabels<route, reject_reason>},
    MetricRow{Metric::connections_refused,
              "connections_refused_total",
              counter,
              "Client connections closed at once because their address had too many.",
              {}},
    MetricRow{Metric::overload_shed, "overload_shed_total", counter,
              "Requests answered by 503 because a worker had too little of something.",
              kLabels<overload_reason>},
    MetricRow{Metric::tls_handshakes_refused,
              "tls_handshakes_refused_total",
              counter,
              "Client connections closed before their TLS handshake because there were too many of them.",
              {}},
    MetricRow{Metric::spliced_bytes,
              "spliced_bytes_total",
              counter,
              "Bytes of bodies that went from socket to socket within the kernel.",
              {}},
};

constexpr bool in_order() {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<size_t>(kRows[i].id) != i + 1) return false;
    const bool has_bounds = kRows[i].bounds.size() == kBounds;
    if ((kRows[i].type == histogram) != has_bounds) return false;
    if (kRows[i].labels.size() > (has_bounds ? 3 : 4)) return false;
  }
  return kRows.size() + 1 == static_cast<size_t>(Metric::count_of_metrics);
}
static_assert(in_order());

}  // namespace

std::span<const MetricRow> metric_rows() { return kRows; }

const MetricRow& metric_row(Metric id) {
  CHECK(id != Metric::none && id < Metric::count_of_metrics);
  return kRows[static_cast<size_t>(id) - 1];
}

}  // namespace banyan::shm
