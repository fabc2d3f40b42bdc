// GET /metrics: the Prometheus text format 0.0.4, from the tables in shared memory. What processes count
// comes with the help and type of shm/metrics.cc; what follows from other tables is written by the functions
// at the end.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "admin/views.h"
#include "control/texts.h"
#include "shm/breaker.h"
#include "shm/metrics.h"
#include "shm/processes.h"
#include "shm/servers.h"
#include "shm/tally.h"

namespace banyan::admin {
namespace {

using shm::LabelValues;
using shm::MetricRow;
using shm::MetricType;
using Totals = std::map<uint64_t, uint64_t>;

// A label value (exposition format: backslash, quote and line feed are escaped).
std::string escaped(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c == '\\' || c == '"') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result;
}

std::string label(std::string_view name, std::string_view value) {
  return fmt::format("{}=\"{}\"", name, escaped(value));
}

class Text {
 public:
  explicit Text(const shm::Directory& directory) : directory_(directory) {}

  void head(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(out(), "# HELP banyan_{} {}\n# TYPE banyan_{} {}\n", name, help, name, type);
  }
  // `labels` is "a=\"b\",c=\"d\"" or empty.
  void line(std::string_view name, std::string_view labels, auto value) {
    if (labels.empty()) {
      fmt::format_to(out(), "banyan_{} {}\n", name, value);
    } else {
      fmt::format_to(out(), "banyan_{}{{{}}} {}\n", name, labels, value);
    }
  }
  std::string labels_of(const MetricRow& row, uint64_t key) const;
  std::string take() { return std::move(text_); }

 private:
  std::back_insert_iterator<std::string> out() { return std::back_inserter(text_); }
  std::string named(shm::Kind kind, uint32_t number) const;
  std::string label_text(LabelValues values, uint32_t value) const;

  const shm::Directory& directory_;
  std::string text_;
};

std::string Text::named(shm::Kind kind, uint32_t number) const {
  const std::string_view name = directory_.name(kind, number);
  return label(shm::kind_name(kind), name.empty() ? "none" : name);
}

std::string Text::label_text(LabelValues values, uint32_t value) const {
  const auto fixed = [&](std::string_view name) {
    const auto texts = shm::label_texts(values);
    return label(name, value < texts.size() ? texts[value] : "other");
  };
  switch (values) {
    case LabelValues::route:
      return named(shm::Kind::route, value);
    case LabelValues::upstream:
      return named(shm::Kind::upstream, value);
    case LabelValues::handler:
      return named(shm::Kind::handler, value);
    case LabelValues::script:
      return named(shm::Kind::script, value);
    case LabelValues::server: {
      const auto [upstream, address] = shm::split_server_name(directory_.name(shm::Kind::server, value));
      return label("upstream", upstream) + "," + label("server", address);
    }
    case LabelValues::code:
      return label("code", fmt::format("{:03}", value));
    case LabelValues::side:
      return fixed("side");
    case LabelValues::method:
      return fixed("method");
    case LabelValues::reason:
    case LabelValues::fallback_reason:
    case LabelValues::reject_reason:
    case LabelValues::retry_reason:
    case LabelValues::event_drop:
    case LabelValues::event_close:
    case LabelValues::overload_reason:
      return fixed("reason");
    case LabelValues::event_transport:
      return fixed("transport");
    case LabelValues::connect_result:
    case LabelValues::lua_result:
    case LabelValues::batch_result:
    case LabelValues::outcome:
    case LabelValues::cache_result:
    case LabelValues::resume_result:
    case LabelValues::publish_result:
      return fixed("result");
  }
  return {};
}

std::string Text::labels_of(const MetricRow& row, uint64_t key) const {
  std::string labels;
  for (size_t i = 0; i < row.labels.size(); ++i) {
    if (i > 0) labels += ',';
    labels += label_text(row.labels[i], shm::label_of(key, i));
  }
  return labels;
}

// `it` is at the first bucket; afterwards behind the last entry of the series.
void write_histogram(Text& page, const MetricRow& row, Totals::const_iterator& it,
                     Totals::const_iterator end) {
  const uint64_t base = it->first & ~uint64_t{0x3fff};
  std::array<uint64_t, shm::kHistogramEntries> entries{};
  for (; it != end && (it->first & ~uint64_t{0x3fff}) == base; ++it) {
    const uint64_t i = it->first - base;
    if (i < entries.size()) entries[i] = it->second;
  }
  const std::string labels = page.labels_of(row, base);
  const std::string_view comma = labels.empty() ? "" : ",";
  const std::string bucket = fmt::format("{}_bucket", row.name);
  uint64_t count = 0;
  for (size_t i = 0; i <= shm::kBounds; ++i) {
    count += entries[i];
    const std::string bound = i < shm::kBounds ? fmt::format("{}", row.bounds[i]) : "+Inf";
    page.line(bucket, fmt::format("{}{}le=\"{}\"", labels, comma, bound), count);
  }
  page.line(fmt::format("{}_sum", row.name), labels, static_cast<double>(entries[shm::kBounds + 1]) / 1e6);
  page.line(fmt::format("{}_count", row.name), labels, count);
}

void write_counted(Text& page, const Totals& totals) {
  for (const MetricRow& row : shm::metric_rows()) {
    const uint64_t first = uint64_t{static_cast<uint8_t>(row.id)} << 56;
    auto it = totals.lower_bound(first);
    const auto end = totals.lower_bound(first + (uint64_t{1} << 56));
    const bool silent = it == end && !row.labels.empty();
    if (silent) continue;
    const std::string_view type = row.type == MetricType::counter     ? "counter"
                                  : row.type == MetricType::histogram ? "histogram"
                                                                      : "gauge";
    page.head(row.name, type, row.help);
    if (it == end) page.line(row.name, "", 0);
    while (it != end) {
      if (row.type == MetricType::histogram) {
        write_histogram(page, row, it, end);
      } else {
        // Gauges are sums over processes that do not change at the same instant, so they may be below zero.
        page.line(row.name, page.labels_of(row, it->first), static_cast<int64_t>(it->second));
        ++it;
      }
    }
  }
}

// All three are 0 where nothing is judged at the moment.
void write_verdicts(Text& page, const std::vector<control::RolloutView>& rollouts) {
  using rollout::Verdict;
  const auto gated = [](const control::RolloutView& view) { return view.gated; };
  if (std::none_of(rollouts.begin(), rollouts.end(), gated)) return;
  page.head("rollout_verdict", "gauge", "1 for what the rollout's gate says now.");
  for (const control::RolloutView& view : rollouts) {
    if (!view.gated) continue;
    for (const Verdict verdict : {Verdict::pass, Verdict::hold, Verdict::fail}) {
      page.line("rollout_verdict",
                label("rollout", view.name) + "," + label("verdict", rollout::verdict_name(verdict)),
                view.judged && view.judgement && view.judgement->verdict == verdict ? 1 : 0);
    }
  }
}

void write_rollouts(Text& page, const Sources& sources) {
  const auto rollouts = sources.book.list();
  if (rollouts.empty()) return;
  page.head("rollout_percent", "gauge", "Share of clients on the native side, as it counts now.");
  for (const auto& view : rollouts) {
    page.line("rollout_percent", label("rollout", view.name), control::percent_text(view.percent));
  }
  page.head("rollout_state", "gauge", "1 for the state that the rollout is in.");
  for (const auto& view : rollouts) {
    for (size_t i = 0; i < rollout::kPhases; ++i) {
      const auto phase = static_cast<rollout::Phase>(i);
      page.line("rollout_state",
                label("rollout", view.name) + "," + label("state", rollout::phase_name(phase)),
                view.phase() == phase ? 1 : 0);
    }
  }
  write_verdicts(page, rollouts);
  page.head("rollout_live", "gauge", "1 if an order counts and not the configuration's percent.");
  for (const auto& view : rollouts) {
    page.line("rollout_live", label("rollout", view.name), view.live.live() ? 1 : 0);
  }
}

// One line for each server.
void write_server_gauge(Text& page, const Sources& sources, std::string_view name, std::string_view help,
                        bool (*value)(const Sources& sources, uint32_t number)) {
  page.head(name, "gauge", help);
  for (const config::Upstream& upstream : sources.backend.config().upstreams) {
    for (const config::Server& server : upstream.servers) {
      const std::string address = server.address.text();
      const uint32_t number =
          sources.directory.find(shm::Kind::server, shm::server_name(upstream.name, address));
      page.line(name, label("upstream", upstream.name) + "," + label("server", address),
                value(sources, number) ? 1 : 0);
    }
  }
}

void write_breakers(Text& page, const Sources& sources) {
  const auto& upstreams = sources.backend.config().upstreams;
  const auto has_breaker = [](const auto& upstream) { return upstream.breaker.has_value(); };
  if (std::none_of(upstreams.begin(), upstreams.end(), has_breaker)) return;
  page.head("upstream_breaker_state", "gauge", "1 for the state that the upstream's circuit breaker is in.");
  for (const config::Upstream& upstream : upstreams) {
    if (!upstream.breaker) continue;
    const auto now =
        shm::breaker_state(sources.segment, sources.directory.find(shm::Kind::upstream, upstream.name));
    for (const auto state :
         {shm::BreakerState::closed, shm::BreakerState::open, shm::BreakerState::half_open}) {
      page.line("upstream_breaker_state",
                label("upstream", upstream.name) + "," + label("state", shm::breaker_state_name(state)),
                state == now ? 1 : 0);
    }
  }
}

void write_servers(Text& page, const Sources& sources) {
  if (sources.backend.config().upstreams.empty()) return;
  write_server_gauge(page, sources, "upstream_server_up",
                     "1 unless an order or a health check speaks against the server.",
                     [](const Sources& sources, uint32_t number) {
                       return shm::server_order(sources.segment, number) == shm::ServerOrder::up &&
                              shm::server_health(sources.segment, number) != shm::ServerHealth::unhealthy;
                     });
  write_server_gauge(page, sources, "upstream_server_ejected",
                     "1 while the server is left out because requests failed.",
                     [](const Sources& sources, uint32_t number) {
                       return shm::Ejections(sources.segment, number).ejected(sources.clock.now());
                     });
  write_breakers(page, sources);
}

double unix_seconds(WallTime time) {
  return static_cast<double>(std::chrono::duration_cast<Millis>(time.time_since_epoch()).count()) / 1000;
}

void write_certificates(Text& page, const Sources& sources) {
  const auto certificates = sources.backend.certificates();
  if (certificates.empty()) return;
  page.head("tls_certificate_expiry_timestamp_seconds", "gauge",
            "When a certificate of ours ends, seconds since 1970.");
  for (const Backend::Certificate& certificate : certificates) {
    page.line("tls_certificate_expiry_timestamp_seconds", label("certificate", certificate.path),
              unix_seconds(certificate.not_after));
  }
}

void write_workers(Text& page, const Sources& sources) {
  struct Column {
    std::string_view name;
    std::string_view type;
    std::string_view help;
    double (*value)(const shm::ProcessView& process);
  };
  using View = shm::ProcessView;
  static constexpr Column kColumns[] = {
      {"loop_lag_seconds", "gauge", "Longest turn of the event loop within the last second.",
       [](const View& view) { return std::chrono::duration<double>(view.loop_lag).count(); }},
      {"worker_connections", "gauge", "Client connections open now.",
       [](const View& view) { return static_cast<double>(view.connections); }},
      {"worker_requests_total", "counter", "Requests since the worker started.",
       [](const View& view) { return static_cast<double>(view.requests); }},
      {"worker_restarts_total", "counter", "How often the worker was replaced after it died.",
       [](const View& view) { return static_cast<double>(view.restarts); }},
      {"worker_generation", "gauge", "Number of the configuration the worker runs.",
       [](const View& view) { return static_cast<double>(view.generation); }},
      {"worker_start_time_seconds", "gauge", "When the worker started, seconds since 1970.",
       [](const View& view) { return unix_seconds(view.started); }},
  };
  const auto processes = shm::list_processes(sources.segment);
  for (const Column& column : kColumns) {
    page.head(column.name, column.type, column.help);
    for (const View& view : processes) {
      if (view.slot < shm::kFirstWorkerSlot) continue;
      page.line(column.name, fmt::format("worker=\"{}\"", view.slot - shm::kFirstWorkerSlot),
                column.value(view));
    }
  }
}

void write_program(Text& page, const Sources& sources) {
  page.head("build_info", "gauge", "The program's version.");
  page.line("build_info", label("version", sources.version), 1);
  page.head("config_generation", "gauge", "Number of the configuration that runs.");
  page.line("config_generation", "", sources.backend.generation());
  if (const auto reload = sources.backend.last_reload()) {
    page.head("config_last_reload_successful", "gauge", "1 if the last reload was applied.");
    page.line("config_last_reload_successful", "", reload->applied ? 1 : 0);
  }
}

}  // namespace

Answer show_metrics(const Sources& sources, const Request&) {
  Text page(sources.directory);
  write_program(page, sources);
  write_counted(page, shm::total_counters(sources.segment));
  write_rollouts(page, sources);
  write_servers(page, sources);
  write_certificates(page, sources);
  write_workers(page, sources);
  return Reply{200, "text/plain; version=0.0.4; charset=utf-8", page.take(), {}};
}

}  // namespace banyan::admin
