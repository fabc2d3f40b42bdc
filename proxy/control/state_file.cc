#include "control/state_file.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "control/replacement.h"
#include "control/texts.h"

namespace banyan::control {
namespace {

using nlohmann::json;

constexpr uint64_t kVersion = 2;
constexpr uint64_t kLongestHold = uint64_t{100} * 365 * 24 * 3600 * 1000;
constexpr size_t kLargest = 16 << 20;

std::string text_of(const json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool read_number(const json& object, const char* key, uint64_t& number) {
  auto it = object.find(key);
  if (it == object.end() || !it->is_number_unsigned()) return false;
  number = it->get<uint64_t>();
  return true;
}

bool read_percent(const json& object, const char* key, uint32_t& percent) {
  auto it = object.find(key);
  return it != object.end() && it->is_number() && to_hundredths(it->get<double>(), percent);
}

// What only schedules need. A value of version 1 was made at once and goes nowhere.
bool read_schedule(const json& object, uint64_t version, LiveValue& value) {
  rollout::Progress& progress = value.progress;
  progress.since = progress.hold_since = progress.moved = value.changed;
  progress.target = progress.percent;
  if (version == 1) return progress.phase <= rollout::Phase::damaged;
  uint64_t taken = 0, held = 0;
  if (!read_number(object, "taken", taken) || !read_number(object, "held_ms", held)) return false;
  if (taken > std::numeric_limits<uint32_t>::max() || held > kLongestHold) return false;
  progress.taken = static_cast<uint32_t>(taken);
  progress.held = Millis(static_cast<int64_t>(held));
  return read_percent(object, "target", progress.target) && progress.target <= progress.percent &&
         parse_time(text_of(object, "since"), progress.since) &&
         parse_time(text_of(object, "hold_since"), progress.hold_since) &&
         parse_time(text_of(object, "moved"), progress.moved);
}

bool read_value(const json& object, uint64_t version, LiveValue& value) {
  if (!object.is_object()) return false;
  value.who = text_of(object, "who");
  value.why = text_of(object, "why");
  const std::optional<rollout::Phase> phase = rollout::parse_phase(text_of(object, "phase"));
  if (!phase || *phase == rollout::Phase::file) return false;
  value.progress.phase = *phase;
  return read_percent(object, "percent", value.progress.percent) &&
         read_number(object, "sequence", value.sequence) &&
         parse_time(text_of(object, "changed"), value.changed) && read_schedule(object, version, value);
}

// What is wrong with the whole file; empty if nothing.
std::string read_document(const json& document, StateFile& file) {
  if (document.is_discarded()) return "it is not JSON";
  if (!document.is_object()) return "it is not an object";
  uint64_t version = 0;
  if (!read_number(document, "version", version)) return "it has no version";
  if (version == 0 || version > kVersion) {
    return fmt::format("its version is {}, this program knows 1 to {}", version, kVersion);
  }
  if (!read_number(document, "sequence", file.values.sequence)) return "it has no sequence";
  auto rollouts = document.find("rollouts");
  if (rollouts == document.end() || !rollouts->is_object()) return "it has no rollouts";
  for (const auto& [name, object] : rollouts->items()) {
    LiveValue value;
    if (read_value(object, version, value)) {
      file.values.rollouts.emplace(name, std::move(value));
    } else {
      file.damaged_rollouts.push_back(name);
    }
  }
  return {};
}

}  // namespace

StateFile read_state_file(const std::string& path) {
  StateFile file;
  bool missing = false;
  Result<std::string> content = read_whole(path, kLargest, missing);
  if (missing) return file;
  if (!content) {
    file.condition = StateFile::Condition::unreadable;
    file.damage = content.error().message;
    return file;
  }
  file.damage = read_document(json::parse(*content, nullptr, false), file);
  file.condition = file.damage.empty() ? StateFile::Condition::good : StateFile::Condition::damaged;
  return file;
}

std::string state_text(const LiveValues& values) {
  json rollouts = json::object();
  for (const auto& [name, value] : values.rollouts) {
    const rollout::Progress& progress = value.progress;
    rollouts[name] = {{"phase", rollout::phase_name(progress.phase)},
                      {"percent", json::parse(percent_text(progress.percent))},
                      {"target", json::parse(percent_text(progress.target))},
                      {"taken", progress.taken},
                      {"held_ms", progress.held.count()},
                      {"since", time_text(progress.since)},
                      {"hold_since", time_text(progress.hold_since)},
                      {"moved", time_text(progress.moved)},
                      {"sequence", value.sequence},
                      {"changed", time_text(value.changed)},
                      {"who", value.who},
                      {"why", value.why}};
  }
  const json document = {{"version", kVersion}, {"sequence", values.sequence}, {"rollouts", rollouts}};
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace banyan::control
