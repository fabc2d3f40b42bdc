#include "admin/banyanctl_top_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "admin/banyanctl_table.h"

namespace banyan::ctl {
namespace {

using nlohmann::ordered_json;
using Labels = std::map<std::string, std::string, std::less<>>;

struct Sample {
  std::string_view name;
  Labels labels;
  double value = 0;
};

// `text` begins behind the opening quote; afterwards behind the closing one.
std::string take_quoted(std::string_view& text) {
  std::string result;
  while (!text.empty() && text.front() != '"') {
    if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
    result += text.front();
    text.remove_prefix(1);
  }
  if (!text.empty()) text.remove_prefix(1);
  return result;
}

std::optional<Sample> parse_sample(std::string_view line) {
  const size_t brace = line.find('{');
  if (line.empty() || line.front() == '#' || brace == line.npos) return std::nullopt;
  Sample sample;
  sample.name = line.substr(0, brace);
  line.remove_prefix(brace + 1);
  while (!line.empty() && line.front() != '}') {
    const size_t quote = line.find("=\"");
    if (quote == line.npos) return std::nullopt;
    std::string name(line.substr(0, quote));
    line.remove_prefix(quote + 2);
    sample.labels[std::move(name)] = take_quoted(line);
    if (!line.empty() && line.front() == ',') line.remove_prefix(1);
  }
  if (line.size() < 3) return std::nullopt;
  line.remove_prefix(2);
  const auto end = std::from_chars(line.data(), line.data() + line.size(), sample.value);
  if (end.ec != std::errc()) return std::nullopt;
  return sample;
}

void note(const Sample& sample, TopCounts& counts) {
  const auto label = [&](std::string_view name) {
    const auto found = sample.labels.find(name);
    return found == sample.labels.end() ? std::string() : found->second;
  };
  const auto side = [&]() -> SideCounts& { return counts.sides[{label("route"), label("side")}]; };
  if (sample.name == "banyan_http_requests_total") {
    side().requests += sample.value;
    if (label("code").starts_with('5')) side().errors += sample.value;
  } else if (sample.name == "banyan_http_requests_in_flight") {
    side().in_flight += sample.value;
  } else if (sample.name == "banyan_http_request_duration_seconds_bucket") {
    const std::string text = label("le");
    double bound = std::numeric_limits<double>::infinity();
    if (text != "+Inf") std::from_chars(text.data(), text.data() + text.size(), bound);
    side().buckets.emplace_back(bound, sample.value);
  }
}

const SideCounts& find_or_empty(const TopCounts& counts, const std::pair<std::string, std::string>& key) {
  static const SideCounts kNone;
  const auto found = counts.sides.find(key);
  return found == counts.sides.end() ? kNone : found->second;
}

// One route and side between the looks.
struct Row {
  std::string route;
  std::string side;
  double rate = 0;
  double errors = 0;  // share of the requests
  double in_flight = 0;
  double p50 = -1;
  double p99 = -1;
};

std::vector<Row> make_rows(const TopCounts& before, const TopCounts& now, double seconds) {
  std::vector<Row> rows;
  for (const auto& [key, counts] : now.sides) {
    const SideCounts& old = find_or_empty(before, key);
    const double requests = std::max(0.0, counts.requests - old.requests);
    const double errors = std::max(0.0, counts.errors - old.errors);
    rows.push_back({key.first, key.second, requests / seconds, requests > 0 ? errors / requests : 0,
                    counts.in_flight, quantile_between(old, counts, 0.5),
                    quantile_between(old, counts, 0.99)});
  }
  return rows;
}

std::string time_text(double seconds) {
  if (seconds < 0) return "-";
  if (seconds < 0.01) return fmt::format("{:.1f}ms", seconds * 1000);
  return seconds < 1 ? fmt::format("{:.0f}ms", seconds * 1000) : fmt::format("{:.1f}s", seconds);
}

std::string rate_text(double rate) {
  return rate == 0 ? "0" : rate < 10 ? fmt::format("{:.1f}", rate) : fmt::format("{:.0f}", rate);
}

const ordered_json* member(const ordered_json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::string text_of(const ordered_json& object, const char* name) {
  const ordered_json* value = member(object, name);
  if (!value || value->is_null()) return {};
  return value->is_string() ? value->get<std::string>() : value->dump();
}

ordered_json rollout_list(const std::string& text) {
  const auto all = ordered_json::parse(text, nullptr, false);
  const ordered_json* list = member(all, "rollouts");
  return list && list->is_array() ? *list : ordered_json::array();
}

std::string verdict_of(const ordered_json& rollout) {
  const ordered_json* gate = member(rollout, "gate");
  return gate ? text_of(*gate, "verdict") : std::string();
}

std::string routes_table(const std::vector<Row>& rows) {
  Table table({"ROUTE", "SIDE", ">REQ/S", ">ERR", ">P50", ">P99", ">OPEN"});
  for (const Row& row : rows) {
    table.add({row.route.substr(0, 30), row.side, rate_text(row.rate),
               fmt::format("{:.1f}%", row.errors * 100), time_text(row.p50), time_text(row.p99),
               fmt::format("{:.0f}", std::max(0.0, row.in_flight))});
  }
  return table.text();
}

std::string rollouts_table(const ordered_json& rollouts) {
  Table table({"ROLLOUT", ">NATIVE", "STATE", "VERDICT", "WHY"});
  for (const ordered_json& rollout : rollouts) {
    const ordered_json* gate = member(rollout, "gate");
    table.add({text_of(rollout, "name").substr(0, 24), text_of(rollout, "percent") + "%",
               text_of(rollout, "state"), verdict_of(rollout), gate ? text_of(*gate, "why") : std::string()});
  }
  return table.text();
}

std::string head_line(const std::string& status, const std::vector<Row>& rows) {
  const auto json = ordered_json::parse(status, nullptr, false);
  double rate = 0;
  for (const Row& row : rows) rate += row.rate;
  std::string line = fmt::format("banyan {}  {} req/s", text_of(json, "version"), rate_text(rate));
  if (const ordered_json* uptime = member(json, "uptime_seconds"); uptime && uptime->is_number()) {
    line += "  up " + duration_text(static_cast<uint64_t>(std::max(0.0, uptime->get<double>())));
  }
  return harmless(line) + "\n\n";
}

// Cuts lines and their number to the window's. Bytes that continue a character take no column.
std::string fit(const std::string& text, const TopOptions& options) {
  std::string result;
  size_t column = 0, lines = 0;
  for (char c : text) {
    if (c == '\n') {
      if (options.height > 0 && ++lines >= options.height) break;
      column = 0;
      result += c;
    } else if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) {
      if (column <= options.width) result += c;
    } else if (++column <= options.width) {
      result += c;
    }
  }
  return result;
}

}  // namespace

TopCounts read_counts(std::string_view metrics) {
  TopCounts counts;
  while (!metrics.empty()) {
    const size_t end = std::min(metrics.find('\n'), metrics.size());
    if (const auto sample = parse_sample(metrics.substr(0, end))) note(*sample, counts);
    metrics.remove_prefix(std::min(end + 1, metrics.size()));
  }
  return counts;
}

double quantile_between(const SideCounts& before, const SideCounts& now, double share) {
  const auto count = [&](size_t i) {
    const double old = i < before.buckets.size() ? before.buckets[i].second : 0;
    return std::max(0.0, now.buckets[i].second - old);
  };
  if (now.buckets.empty() || count(now.buckets.size() - 1) == 0) return -1;
  const double rank = share * count(now.buckets.size() - 1);
  size_t i = 0;
  while (i + 1 < now.buckets.size() && count(i) < rank) ++i;
  const double low = i == 0 ? 0 : now.buckets[i - 1].first;
  // Beyond the largest bound nothing is known but that.
  if (i + 1 == now.buckets.size()) return low;
  const double below = i == 0 ? 0 : count(i - 1);
  const double inside = count(i) - below;
  return inside <= 0 ? low : low + (now.buckets[i].first - low) * (rank - below) / inside;
}

std::string top_text(const TopCounts& before, const TopCounts& now, const std::string& rollouts,
                     const std::string& status, const TopOptions& options) {
  const std::vector<Row> rows = make_rows(before, now, options.seconds);
  std::string text = head_line(status, rows);
  const ordered_json list = rollout_list(rollouts);
  if (!list.empty()) text += rollouts_table(list) + "\n";
  text += rows.empty() ? "no requests yet\n" : routes_table(rows);
  return fit(text, options);
}

std::string top_json(const TopCounts& before, const TopCounts& now, const std::string& rollouts,
                     const TopOptions& options) {
  ordered_json json = {{"seconds", options.seconds}, {"routes", ordered_json::array()}};
  for (const Row& row : make_rows(before, now, options.seconds)) {
    ordered_json side = {{"route", row.route},
                         {"side", row.side},
                         {"requests_per_second", row.rate},
                         {"error_rate", row.errors},
                         {"in_flight", row.in_flight}};
    if (row.p50 >= 0) side["p50"] = row.p50;
    if (row.p99 >= 0) side["p99"] = row.p99;
    json["routes"].push_back(std::move(side));
  }
  json["rollouts"] = rollout_list(rollouts);
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace banyan::ctl
