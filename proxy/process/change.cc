#include "process/change.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/texts.h"

namespace banyan::process {
namespace {

using Json = nlohmann::ordered_json;
using How = Change::How;
using State = KeptEntry::State;

constexpr std::array<std::pair<How, std::string_view>, 6> kHows = {{{How::start, "start"},
                                                                    {How::upgrade, "upgrade"},
                                                                    {How::reload, "reload"},
                                                                    {How::certificates, "certificates"},
                                                                    {How::rollback, "rollback"},
                                                                    {How::went_back, "went back"}}};
constexpr std::array<std::pair<State, std::string_view>, 4> kStates = {{{State::applied, "applied"},
                                                                        {State::unconfirmed, "unconfirmed"},
                                                                        {State::confirmed, "confirmed"},
                                                                        {State::reverted, "reverted"}}};

template <class Rows, class Value>
std::string_view name_of(const Rows& rows, Value value) {
  for (const auto& [row, name] : rows) {
    if (row == value) return name;
  }
  return {};
}

template <class Rows, class Value>
bool find_name(const Rows& rows, const std::string& text, Value& value) {
  for (const auto& [row, name] : rows) {
    if (name == text) return value = row, true;
  }
  return false;
}

std::string line_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string text_in(const Json& json, const char* key) {
  auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

template <class Number>
Number number_in(const Json& json, const char* key) {
  auto found = json.find(key);
  return found != json.end() && found->is_number_integer() ? found->get<Number>() : Number{};
}

Millis millis_of(TimePoint time) { return std::chrono::duration_cast<Millis>(time.time_since_epoch()); }

}  // namespace

std::string entry_text(const KeptEntry& entry, bool running) {
  Json json = {{"number", entry.number},
               {"when", control::time_text(entry.when)},
               {"how", name_of(kHows, entry.how)},
               {"who", entry.who},
               {"why", entry.why},
               {"state", name_of(kStates, entry.state)}};
  if (entry.back_to != 0) json["back_to"] = entry.back_to;
  if (entry.state == State::unconfirmed) {
    json["until"] = control::time_text(entry.until);
    json["fallback"] = entry.fallback;
  }
  if (running) json["running"] = true;
  return line_of(json);
}

bool parse_entry(std::string_view line, KeptEntry& entry) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return false;
  entry.number = number_in<uint32_t>(json, "number");
  entry.who = text_in(json, "who");
  entry.why = text_in(json, "why");
  entry.back_to = number_in<uint32_t>(json, "back_to");
  entry.fallback = number_in<uint32_t>(json, "fallback");
  const bool good = entry.number > 0 && control::parse_time(text_in(json, "when"), entry.when) &&
                    find_name(kHows, text_in(json, "how"), entry.how) &&
                    find_name(kStates, text_in(json, "state"), entry.state);
  return good &&
         (entry.state != State::unconfirmed || control::parse_time(text_in(json, "until"), entry.until));
}

std::string order_text(const admin::ChangeOrder& order) {
  return line_of({{"who", order.who},
                  {"why", order.why},
                  {"confirm_ms", order.confirm_within.count()},
                  {"number", order.number}});
}

admin::ChangeOrder parse_order(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return {};
  return {.who = text_in(json, "who"),
          .why = text_in(json, "why"),
          .confirm_within = Millis(number_in<Millis::rep>(json, "confirm_ms")),
          .number = number_in<uint32_t>(json, "number")};
}

std::string standing_text(const admin::Standing& standing) {
  Json json = Json::object();
  if (const auto& open = standing.unconfirmed) {
    json["unconfirmed"] = {{"number", open->number},
                           {"fallback", open->fallback},
                           {"until_ms", millis_of(open->until).count()},
                           {"who", open->who}};
  }
  if (const auto& back = standing.rolled_back) {
    json["rolled_back"] = {{"to", back->to}, {"who", back->who}, {"when", control::time_text(back->when)}};
  }
  return line_of(json);
}

admin::Standing parse_standing(std::string_view text) {
  admin::Standing standing;
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return standing;
  if (auto open = json.find("unconfirmed"); open != json.end() && open->is_object()) {
    standing.unconfirmed = {.number = number_in<uint32_t>(*open, "number"),
                            .fallback = number_in<uint32_t>(*open, "fallback"),
                            .until = TimePoint(Millis(number_in<Millis::rep>(*open, "until_ms"))),
                            .who = text_in(*open, "who")};
  }
  if (auto back = json.find("rolled_back"); back != json.end() && back->is_object()) {
    standing.rolled_back = {.to = number_in<uint32_t>(*back, "to"), .who = text_in(*back, "who"), .when = {}};
    control::parse_time(text_in(*back, "when"), standing.rolled_back->when);
  }
  return standing;
}

}  // namespace banyan::process
