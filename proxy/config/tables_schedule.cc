// What a rollout does by itself: steps, freezes, gate and hooks of [rollout.NAME], and what is wrong between
// them.

#include <fmt/format.h>

#include <algorithm>
#include <bitset>

#include "config/config.h"
#include "config/formats.h"
#include "config/names.h"
#include "config/tables.h"

namespace banyan::config {
namespace {

constexpr int kDayMinutes = 24 * 60;
constexpr int kWeekMinutes = 7 * kDayMinutes;

Format<std::vector<Weekday>> weekdays() {
  Format<Weekday> one = choice<Weekday>({{"mon", Weekday::mon},
                                         {"tue", Weekday::tue},
                                         {"wed", Weekday::wed},
                                         {"thu", Weekday::thu},
                                         {"fri", Weekday::fri},
                                         {"sat", Weekday::sat},
                                         {"sun", Weekday::sun}});
  one.type = "weekday";
  Format<std::vector<Weekday>> format = list(one, true);
  format.print = [print = format.print](const std::vector<Weekday>& days) {
    return days.empty() ? std::string() : print(days);
  };
  return format;
}

Format<std::string> time_zone() {
  Format<std::string> format = nonempty_text();
  format.type = "time zone";
  format.read = [read = format.read](const Value& value, std::string& result) {
    std::string name;
    if (!read(value, name)) return false;
    const auto& known = value.reader().options().is_time_zone;
    if (known && !known(name)) {
      return value.error(
          "is no time zone that this system knows; \"UTC\" and \"Europe/Berlin\" are such names");
    }
    result = std::move(name);
    return true;
  };
  return format;
}

Format<double> ratio() {
  Format<double> format = number(1, 100);
  format.type = "ratio";
  format.read = [read = format.read](const Value& value, double& result) {
    double number = 0;
    const Node& node = value.node();
    const bool is_number = node.kind == Node::Kind::integer || node.kind == Node::Kind::number;
    if (is_number &&
        (node.kind == Node::Kind::integer ? static_cast<double>(node.integer) : node.number) < 1) {
      return value.error("must be 1 to 100: below 1 native would have to be faster than legacy to pass");
    }
    if (!read(value, number)) return false;
    result = number;
    return true;
  };
  return format;
}

Format<uint32_t> percentage_points() {
  Format<uint32_t> format = checked<uint32_t>(percent(), [](const uint32_t& value) {
    return value == 10000 ? "must be below 100, or nothing would ever fail" : "";
  });
  format.type = "percentage points";
  return format;
}

// ---------------------------------------------------------------- steps

void check_steps(const Rollout& rollout, const Value& value) {
  const Value steps = value.at("steps");
  const std::vector<RolloutStep>& all = rollout.steps;
  for (size_t i = 0; i < all.size(); ++i) {
    const Value step = steps.item(i);
    if (i > 0 && all[i].percent <= all[i - 1].percent) {
      step.at("percent").error(fmt::format("must be more than the {} of the step before: steps only go up",
                                           format_percent(all[i - 1].percent)));
    }
    if (i + 1 < all.size() && all[i].hold == 0ms) {
      step.at("hold").error("is missing: only the last step has no end");
    }
  }
  if (value.has("percent") && rollout.percent > all[0].percent) {
    value.at("percent").error(
        fmt::format("must be at most {}, the first step: steps only go up", format_percent(all[0].percent)));
  }
  if (all.back().hold != 0ms && rollout.soak != 0ms) {
    steps.item(all.size() - 1).at("hold").error("cannot be joined with soak, which is the last step's hold");
  }
}

void check_without_steps(const Rollout& rollout, const Value& value) {
  if (rollout.soak != 0ms) value.at("soak").error("needs steps");
  if (rollout.start) value.at("start").error("needs steps");
  if (rollout.on_fail == Rollout::OnFail::step_back) value.at("on_fail").error("needs steps to go back to");
}

void check_without_gate(const Rollout& rollout, const Value& value) {
  constexpr const char* kNeedsGate = "needs gate: without one nothing fails";
  if (rollout.on_fail != Rollout::OnFail::rollback) value.at("on_fail").error(kNeedsGate);
  if (rollout.rollback_rate) value.at("rollback_rate").error(kNeedsGate);
}

// ---------------------------------------------------------------- freezes

using WeekMinutes = std::bitset<kWeekMinutes>;

void mark(const Freeze& freeze, WeekMinutes& frozen) {
  const int from = static_cast<int>(freeze.from.count());
  const int to = static_cast<int>(freeze.to.count());
  const int length = to > from ? to - from : to + kDayMinutes - from;
  for (int day = 0; day < 7; ++day) {
    const auto listed = std::find(freeze.days.begin(), freeze.days.end(), static_cast<Weekday>(day));
    if (!freeze.days.empty() && listed == freeze.days.end()) continue;
    for (int i = 0; i < length; ++i) {
      frozen.set(static_cast<size_t>((day * kDayMinutes + from + i) % kWeekMinutes));
    }
  }
}

// Freezes of one zone that leave no minute of the week. (Of different zones nobody writes such.)
void check_freezes(const std::vector<Freeze>& freezes, const Value& value) {
  if (freezes.empty()) return;
  WeekMinutes frozen;
  for (const Freeze& freeze : freezes) {
    if (freeze.tz == freezes[0].tz) mark(freeze, frozen);
  }
  if (frozen.all()) value.at("freeze").error("leaves no time of the week: the rollout could never be raised");
}

// ---------------------------------------------------------------- hooks

Format<std::string> http_url() {
  return checked<std::string>(text(), [](const std::string& url) {
    const size_t scheme = url.starts_with("http://") ? 7 : url.starts_with("https://") ? 8 : 0;
    if (scheme == 0) return "must begin with http:// or https://";
    if (url.size() == scheme || url[scheme] == '/') return "has no host";
    const bool clean = std::all_of(url.begin(), url.end(),
                                   [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; });
    return clean ? "" : "must not contain spaces or control characters";
  });
}

Format<std::vector<std::string>> command() {
  Format<std::vector<std::string>> format =
      checked<std::vector<std::string>>(list(text()), [](const std::vector<std::string>& words) {
        if (words.empty()) return "must have at least the path of a program";
        return words[0].starts_with('/') ? "" : "must begin with the absolute path of a program";
      });
  format.type = "list of strings";
  format.print = [print = format.print](const std::vector<std::string>& words) {
    return words.empty() ? std::string() : print(words);
  };
  return format;
}

}  // namespace

const Section<RolloutStep>& rollout_step_section() {
  static const Section<RolloutStep> section(
      "steps", "One step of the schedule.",
      {field("percent", &RolloutStep::percent,
             checked<uint32_t>(percent(),
                               [](const uint32_t& value) { return value == 0 ? "must be more than 0" : ""; }),
             "Native's share during the step; more than in the one before.")
           .required(),
       field(
           "hold", &RolloutStep::hold, duration_or_none(duration(1s)),
           "How long the step lasts at least. Time in a freeze and while Banyan was down counts; time while "
           "the rollout was paused does not. Needed in all steps but the last, where it means the same as "
           "soak.")
           .shown_default("none"),
       field("approve", &RolloutStep::approve, flag(),
             "The step is not taken before somebody says \"banyanctl rollout step\".")});
  return section;
}

const Section<Freeze>& freeze_section() {
  static const Section<Freeze> section(
      "freeze",
      "Hours of a week. They begin on each of the days at \"from\" and end at \"to\", on the day after if "
      "that is "
      "not later: { days = [\"fri\", \"sat\"], from = \"18:00\", to = \"08:00\" } is Friday 18:00 to "
      "Saturday "
      "08:00 and Saturday 18:00 to Sunday 08:00. The whole weekend is { days = [\"sat\", \"sun\"] }.",
      {field("days", &Freeze::days, weekdays(),
             "\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"; every day without this key.")
           .shown_default("every day"),
       field("from", &Freeze::from, time_of_day(), "Begin, by the clock of the zone."),
       field("to", &Freeze::to, time_of_day(), "End; \"24:00\" is midnight at the end of the day."),
       field("tz", &Freeze::tz, time_zone(),
             "The zone whose clock counts, with its daylight saving time, by its name in the system's time "
             "zone "
             "data: \"Europe/Berlin\".")},
      [](Freeze& freeze, const Value& value) {
        const bool whole_day = freeze.from == 0min && freeze.to == 24h;
        if (!whole_day && freeze.from % 24h == freeze.to % 24h) {
          value.at("to").error("must differ from \"from\"; without both the whole day is meant");
        }
        if (value.has("days") && value.at("days").node().kind == Node::Kind::array &&
            value.at("days").node().items.empty()) {
          value.at("days").error("must name at least one day");
        }
      });
  return section;
}

const Section<Gate>& gate_section() {
  static const Section<Gate> section(
      "gate",
      "The verdict is \"fail\" when native is worse than legacy by more than what is said here and chance "
      "can be "
      "ruled out, \"hold\" while there is not enough data, and \"pass\" otherwise.",
      {field("min_requests", &Gate::min_requests, integer<uint32_t>(1, 1'000'000'000),
             "Requests that each side must have had within the window; with fewer the verdict is \"hold\"."),
       field("window", &Gate::window, duration(1s, 24h), "How far back requests count."),
       field(
           "error_rate_increase", &Gate::error_rate_increase, percentage_points(),
           "How much higher native's share of failed requests may be, in percentage points: with 0.5 native "
           "may have 1.5 percent where legacy has 1.0."),
       field("p50_ratio", &Gate::p50_ratio, optional(ratio()),
             "How many times legacy's median latency native's may be. Without it that is not judged."),
       field("p99_ratio", &Gate::p99_ratio, optional(ratio()),
             "The same for the 99th percentile: 1.2 is a fifth slower."),
       field(
           "alpha", &Gate::alpha, number(0.0001, 0.5),
           "The most probable share of rollouts with two equal sides that fail by chance, however long they "
           "run and however often they are judged.")},
      [](Gate& gate, const Value& value) {
        // More than any machine serves: a slip of the finger, and the verdict would be "hold" for ever.
        constexpr int64_t kMostPerSecond = 1'000'000;
        if (gate.min_requests > gate.window.count() * kMostPerSecond / 1000) {
          value.at("min_requests")
              .error(fmt::format("can never be reached within {}", format_duration(gate.window)));
        }
      });
  return section;
}

const Section<RolloutHook>& rollout_hook_section() {
  static const Section<RolloutHook> section(
      "on_event",
      "Who is told of each change of state: a URL, a command, or both. They get the journal's entry, one "
      "JSON object: the URL as the body of a POST, with its verb in X-Banyan-Event and its sequence number "
      "in "
      "X-Banyan-Delivery; the command on its standard input, and each plain member in its environment "
      "(BANYAN_ROLLOUT, BANYAN_VERB, BANYAN_OLD, BANYAN_NEW, BANYAN_WHO …). Events come in their order. "
      "Traffic and the rollout never wait for them: when more than 100 wait, the oldest are dropped, and "
      "what "
      "has not been delivered when the controller ends stays in the journal alone.",
      {field("url", &RolloutHook::url, http_url(),
             "Where the object is sent. Answers other than 2xx are failures."),
       field("headers", &RolloutHook::headers, header_fields(), "Fields that are sent with it."),
       field("secret", &RolloutHook::secret, secret(),
             "Signs the body: X-Banyan-Signature is \"sha256=\" and the HMAC-SHA256 in hexadecimal digits."),
       field("command", &RolloutHook::command, command(),
             "A program by its absolute path, and its arguments. No shell is involved. What it says goes to "
             "the "
             "error log. Any exit status but 0 is a failure; when its time is up it is killed, with its "
             "process "
             "group."),
       field("timeout", &RolloutHook::timeout, duration(100ms, 10min), "For one attempt."),
       field("attempts", &RolloutHook::attempts, integer<uint32_t>(1, 100),
             "Most attempts for one event, with growing pauses between them.")},
      [](RolloutHook&, const Value& value) {
        if (!value.has("url") && !value.has("command")) value.error("must have url or command");
        for (const char* key : {"headers", "secret"}) {
          if (value.has(key) && !value.has("url")) value.at(key).error("needs url");
        }
      });
  return section;
}

void check_schedule(Rollout& rollout, const Value& value) {
  if (!rollout.steps.empty()) check_steps(rollout, value);
  if (!value.has("steps")) check_without_steps(rollout, value);
  if (!value.has("gate")) check_without_gate(rollout, value);
  check_freezes(rollout.freeze, value);
}

}  // namespace banyan::config
