#include "admin/changes.h"

#include <fmt/format.h>

#include <charconv>

#include "admin/body.h"
#include "config/units.h"

namespace banyan::admin {
namespace {

constexpr Millis kLongestConfirmation = std::chrono::hours(24);

Result<Millis> parse_confirmation(const std::string& text) {
  Result<Millis> time = config::parse_duration(text);
  if (!time) return client_error(422, "\"confirm\": " + time.error().message);
  if (*time < std::chrono::seconds(1) || *time > kLongestConfirmation) {
    return client_error(422, "\"confirm\": must be 1s to 24h");
  }
  return time;
}

// Who, why and for how long.
Result<ChangeOrder> read_order(const Request& request) {
  Result<Json> body = parse_body(request);
  if (!body) return std::move(body).error();
  ChangeOrder order;
  std::string confirm;
  for (const auto& [name, text] :
       {std::pair{"who", &order.who}, {"why", &order.why}, {"confirm", &confirm}}) {
    if (!take_text(*body, name, *text)) return client_error(422, fmt::format("\"{}\" must be a text", name));
  }
  if (!body->empty()) return client_error(422, fmt::format("unknown key \"{}\"", body->begin().key()));
  if (order.why.size() > kLongestWhy) {
    return client_error(422, fmt::format("\"why\" has more than {} bytes", kLongestWhy));
  }
  if (order.who.size() > kLongestWho) {
    return client_error(422, fmt::format("\"who\" has more than {} bytes", kLongestWho));
  }
  order.who = full_name(order.who, request);
  if (confirm.empty()) return order;
  Result<Millis> time = parse_confirmation(confirm);
  if (!time) return std::move(time).error();
  order.confirm_within = *time;
  return order;
}

// "/history/17/…"; 0 if it is no number.
uint32_t number_in(const Request& request) {
  const std::string& text = request.segments[1];
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

Reply no_such_number(const Request& request) {
  return problem(404, fmt::format("\"{}\" is not the number of a configuration", request.segments[1]));
}

Reply history_reply(const Sources&, const std::vector<std::string>& lines) {
  Json entries = Json::array();
  for (const std::string& line : lines) {
    Json entry = Json::parse(line, nullptr, false);
    if (entry.is_object()) entries.push_back(std::move(entry));
  }
  return json_reply({{"entries", entries}});
}

Reply kept_reply(const Sources&, const std::vector<std::string>& lines) {
  return json_reply({{"toml", lines.empty() ? std::string() : lines.front()}});
}

}  // namespace

Reply applied_reply(const Sources& sources, const std::vector<std::string>& lines) {
  return json_reply({{"applied", true}, {"generation", sources.backend.generation()}, {"warnings", lines}});
}

Answer order_reload(const Sources& sources, const Request& request) {
  Result<ChangeOrder> order = read_order(request);
  if (!order) return problem(order.error().status, order.error().message);
  return Waiting{sources.backend.ask_reload(*order), applied_reply};
}

Answer order_confirm(const Sources& sources, const Request& request) {
  Result<ChangeOrder> order = read_order(request);
  if (!order) return problem(order.error().status, order.error().message);
  if (order->confirm_within.count() > 0) return problem(422, "unknown key \"confirm\"");
  if (!sources.backend.standing().unconfirmed) return problem(409, "nothing is to be confirmed");
  return Waiting{sources.backend.ask_confirm(*order), applied_reply};
}

Answer order_rollback(const Sources& sources, const Request& request) {
  Result<ChangeOrder> order = read_order(request);
  if (!order) return problem(order.error().status, order.error().message);
  order->number = number_in(request);
  if (order->number == 0) return no_such_number(request);
  return Waiting{sources.backend.ask_rollback(*order), applied_reply};
}

Answer show_history(const Sources& sources, const Request&) {
  return Waiting{sources.backend.ask_history(), history_reply};
}

Answer show_kept(const Sources& sources, const Request& request) {
  const uint32_t number = number_in(request);
  if (number == 0) return no_such_number(request);
  return Waiting{sources.backend.ask_kept(number), kept_reply};
}

}  // namespace banyan::admin
