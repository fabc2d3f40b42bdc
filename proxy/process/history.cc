#include "process/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/log.h"

namespace banyan::process {
namespace {

constexpr std::string_view kSuffix = ".config";
constexpr size_t kLargest = 64 << 20;

std::string name_of(uint32_t number) { return fmt::format("{}{}", number, kSuffix); }

// The number in "17.config"; 0 for other names.
uint32_t number_of(std::string_view name) {
  uint32_t number = 0;
  if (!name.ends_with(kSuffix)) return 0;
  name.remove_suffix(kSuffix.size());
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() ? number : 0;
}

std::string content_of(const KeptEntry& entry, std::string_view bytes) {
  return fmt::format("{}\n{}", entry_text(entry, false), bytes);
}

}  // namespace

History::History(const std::string& state_dir) : path_(state_dir + "/history") {
  if (Result<void> opened = open(); opened) {
    load();
  } else {
    LOG(warn, "configurations are not kept: {}", opened.error().message);
  }
}

Result<void> History::open() {
  if (folder_) return {};
  Result<PrivateFolder> folder = PrivateFolder::open(path_);
  if (!folder) return std::move(folder).error();
  folder_.emplace(std::move(*folder));
  return {};
}

void History::load() {
  std::set<uint32_t> numbers;
  for (const std::string& name : folder_->names()) {
    if (const uint32_t number = number_of(name)) numbers.insert(number);
    if (name.ends_with(".new")) folder_->remove(name);  // half of one: the process was killed
  }
  for (uint32_t number : numbers) load_one(number);
  if (!numbers.empty()) last_number_ = *numbers.rbegin();
}

void History::load_one(uint32_t number) {
  KeptEntry entry;
  Result<std::string> content = folder_->read(name_of(number), kLargest);
  if (content && parse_entry(std::string_view(*content).substr(0, content->find('\n')), entry) &&
      entry.number == number) {
    entries_.push_back(std::move(entry));
  } else {
    LOG(warn, "history: {} is skipped: {}", name_of(number),
        content ? "it is damaged" : content.error().message);
  }
}

const KeptEntry* History::find(uint32_t number) const {
  auto found = std::find_if(entries_.begin(), entries_.end(),
                            [number](const KeptEntry& entry) { return entry.number == number; });
  return found == entries_.end() ? nullptr : &*found;
}

uint32_t History::number_for(const config::Sources& written) const {
  if (const KeptEntry* last = newest()) {
    Result<config::Sources> kept = text(last->number);
    if (kept && *kept == written) return last->number;
  }
  return last_number_ + 1;
}

Result<config::Sources> History::text(uint32_t number) const {
  if (!find(number)) {
    if (entries_.empty()) return client_error(404, "no configurations are kept");
    return client_error(404, fmt::format("configuration {} is not kept; there are {} to {}", number,
                                         entries_.front().number, entries_.back().number));
  }
  Result<std::string> content = folder_->read(name_of(number), kLargest);
  if (!content) return std::move(content).error();
  const size_t line = std::min(content->find('\n'), content->size() - 1);
  Result<config::Sources> sources = config::Sources::parse(std::string_view(*content).substr(line + 1));
  if (!sources) return proxy_error(fmt::format("{}/{} is damaged", path_, name_of(number)));
  return sources;
}

Result<void> History::add(KeptEntry entry, const config::Sources& written) {
  last_number_ = std::max(last_number_, entry.number);
  if (Result<void> opened = open(); !opened) return opened;
  Result<void> done = folder_->write(name_of(entry.number), content_of(entry, written.serialize()));
  if (!done) return done;
  entries_.push_back(std::move(entry));
  forget_oldest();
  return {};
}

void History::forget_oldest() {
  const uint32_t wanted = entries_.back().fallback;
  for (auto entry = entries_.begin(); entries_.size() > kMost && entry != entries_.end();) {
    entry = entry->number == wanted ? std::next(entry) : entries_.erase(entry);
  }
  for (const std::string& name : folder_->names()) {
    const uint32_t number = number_of(name);
    if (number > 0 && number < entries_.back().number && !find(number)) folder_->remove(name);
  }
}

Result<void> History::settle(KeptEntry::State state) {
  Result<void> outcome;
  for (KeptEntry& entry : entries_) {
    if (entry.state != KeptEntry::State::unconfirmed) continue;
    Result<std::string> content = folder_->read(name_of(entry.number), kLargest);
    entry.state = state;
    Result<void> done;
    if (content) {
      const std::string_view bytes = std::string_view(*content).substr(content->find('\n') + 1);
      done = folder_->write(name_of(entry.number), content_of(entry, bytes));
    } else {
      done = std::move(content).error();
    }
    if (!done) outcome = std::move(done);
  }
  return outcome;
}

}  // namespace banyan::process
