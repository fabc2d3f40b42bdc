#include "control/state_file.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "control/replacement.h"
#include "control/texts.h"

namespace banyan::control {
namespace {

using nlohmann::json;

constexpr uint64_t kVersion = 1;
constexpr size_t kLargest = 16 << 20;

bool parse_phase(const std::string& name, rollout::Phase& phase) {
  using rollout::Phase;
  for (Phase known : {Phase::set, Phase::aborted, Phase::promoted, Phase::damaged}) {
    if (rollout::phase_name(known) == name) {
      phase = known;
      return true;
    }
  }
  return false;
}

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

bool read_value(const json& object, LiveValue& value) {
  if (!object.is_object()) return false;
  auto percent = object.find("percent");
  if (percent == object.end() || !percent->is_number()) return false;
  value.who = text_of(object, "who");
  value.why = text_of(object, "why");
  return to_hundredths(percent->get<double>(), value.percent) &&
         parse_phase(text_of(object, "phase"), value.phase) &&
         read_number(object, "sequence", value.sequence) &&
         parse_time(text_of(object, "changed"), value.changed);
}

// What is wrong with the whole file; empty if nothing.
std::string read_document(const json& document, StateFile& file) {
  if (document.is_discarded()) return "it is not JSON";
  if (!document.is_object()) return "it is not an object";
  uint64_t version = 0;
  if (!read_number(document, "version", version)) return "it has no version";
  if (version != kVersion) return fmt::format("its version is {}, this program knows {}", version, kVersion);
  if (!read_number(document, "sequence", file.values.sequence)) return "it has no sequence";
  auto rollouts = document.find("rollouts");
  if (rollouts == document.end() || !rollouts->is_object()) return "it has no rollouts";
  for (const auto& [name, object] : rollouts->items()) {
    LiveValue value;
    if (read_value(object, value)) {
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
    rollouts[name] = {{"phase", rollout::phase_name(value.phase)},
                      {"percent", json::parse(percent_text(value.percent))},
                      {"sequence", value.sequence},
                      {"changed", time_text(value.changed)},
                      {"who", value.who},
                      {"why", value.why}};
  }
  const json document = {{"version", kVersion}, {"sequence", values.sequence}, {"rollouts", rollouts}};
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace banyan::control
