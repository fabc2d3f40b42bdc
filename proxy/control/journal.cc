#include "control/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "control/replacement.h"
#include "control/texts.h"

namespace banyan::control {
namespace {

using json = nlohmann::ordered_json;

constexpr size_t kLargestRead = 4 * Journal::kLargestFile;

bool read_percent(const json& object, const char* key, uint32_t& percent) {
  auto it = object.find(key);
  return it != object.end() && it->is_number() && to_hundredths(it->get<double>(), percent);
}

std::string text_of(const json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// Counts without a point.
json number_json(double number) {
  if (number == std::floor(number) && std::abs(number) < 1e15) return static_cast<int64_t>(number);
  return number;
}

void read_numbers(const json& object, JournalEntry& entry) {
  auto numbers = object.find("numbers");
  if (numbers == object.end() || !numbers->is_object()) return;
  for (const auto& [name, number] : numbers->items()) {
    if (number.is_number()) entry.numbers.emplace_back(name, number.get<double>());
  }
}

// Cuts the file and makes that durable.
Result<void> cut(const std::string& path, size_t size) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return system_error("open " + path, errno);
  const bool done = ftruncate(fd, static_cast<off_t>(size)) == 0 && fsync(fd) == 0;
  const int error = errno;
  close(fd);
  if (!done) return system_error("cut " + path, error);
  return {};
}

}  // namespace

const std::vector<VerbRow>& verb_rows() {
  static const std::vector<VerbRow> rows = {
      {Verb::set, "set", "sends that percentage of the clients to the native side", true},
      {Verb::step, "step", "takes the schedule's next step now; approves one that waits for it", true},
      {Verb::pause, "pause", "stops the schedule where it is"},
      {Verb::resume, "resume", "lets the schedule go on from where it is"},
      {Verb::abort, "abort", "sends everybody to the legacy side, at once"},
      {Verb::promote, "promote", "sends everybody to the native side", true},
      {Verb::reset, "reset",
       "gives up the live value: the configuration counts again, and a schedule begins anew", true},
  };
  return rows;
}

const VerbRow* find_verb(std::string_view name) {
  const std::vector<VerbRow>& rows = verb_rows();
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const VerbRow& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

std::string journal_line(const JournalEntry& entry) {
  json line;
  line["sequence"] = entry.sequence;
  line["time"] = time_text(entry.time);
  line["who"] = entry.who;
  line["why"] = entry.why;
  line["rollout"] = entry.rollout;
  line["verb"] = entry.verb;
  line["old"] = json::parse(percent_text(entry.old_percent));
  line["new"] = json::parse(percent_text(entry.new_percent));
  line["old_state"] = rollout::phase_name(entry.old_phase);
  line["new_state"] = rollout::phase_name(entry.new_phase);
  if (!entry.verdict.empty()) {
    line["verdict"] = entry.verdict;
    for (const auto& [name, number] : entry.numbers) line["numbers"][name] = number_json(number);
  }
  return line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

bool parse_journal_line(std::string_view line, JournalEntry& entry) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return false;
  auto sequence = object.find("sequence");
  if (sequence == object.end() || !sequence->is_number_unsigned()) return false;
  entry.sequence = sequence->get<uint64_t>();
  entry.who = text_of(object, "who");
  entry.why = text_of(object, "why");
  entry.rollout = text_of(object, "rollout");
  entry.verb = text_of(object, "verb");
  entry.old_phase = rollout::parse_phase(text_of(object, "old_state")).value_or(rollout::Phase::file);
  entry.new_phase = rollout::parse_phase(text_of(object, "new_state")).value_or(rollout::Phase::file);
  entry.verdict = text_of(object, "verdict");
  read_numbers(object, entry);
  return parse_time(text_of(object, "time"), entry.time) && read_percent(object, "old", entry.old_percent) &&
         read_percent(object, "new", entry.new_percent);
}

Result<void> Journal::load(uint64_t acknowledged) {
  bool missing = false;
  Result<std::string> content = read_whole(path_, kLargestRead, missing);
  if (missing) return {};
  if (!content) return std::move(content).error();
  const std::string_view text = *content;
  size_t good = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == text.npos) break;
    JournalEntry entry;
    const bool understood = parse_journal_line(text.substr(begin, end - begin), entry);
    if (understood && entry.sequence > acknowledged) break;
    if (understood) remember(std::move(entry));
    begin = good = end + 1;
  }
  size_ = good;
  if (good == text.size()) return {};
  LOG(warn, "{}: taking off {} bytes of an order that was not acknowledged", path_, text.size() - good);
  return cut(path_, good);
}

Result<void> Journal::append(const JournalEntry& entry) {
  if (Result<void> rotated = rotate_if_large(); !rotated) return rotated;
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
  if (fd < 0) return system_error("write " + path_, errno);
  struct stat status;
  if (fstat(fd, &status) == 0) size_ = static_cast<size_t>(status.st_size);
  const std::string line = journal_line(entry);
  Result<void> written = write_all(fd, line);
  if (written && fsync(fd) != 0) written = system_error("sync", errno);
  close(fd);
  if (!written) {
    if (Result<void> restored = cut(path_, size_); !restored) LOG(error, "{}", restored.error().message);
    return proxy_error(fmt::format("{}: {}", path_, written.error().message));
  }
  size_before_ = size_;
  size_ += line.size();
  remember(entry);
  return {};
}

void Journal::take_back() {
  if (Result<void> taken = cut(path_, size_before_); !taken) {
    LOG(error, "an order that failed stays in the journal: {}", taken.error().message);
  }
  size_ = size_before_;
  entries_.pop_back();
}

void Journal::remember(JournalEntry entry) {
  entries_.push_back(std::move(entry));
  if (entries_.size() > kRemembered) entries_.pop_front();
}

Result<void> Journal::rotate_if_large() {
  if (size_ < kLargestFile) return {};
  if (std::rename(path_.c_str(), (path_ + ".1").c_str()) != 0) return system_error("rename " + path_, errno);
  size_ = 0;
  return {};
}

}  // namespace banyan::control
