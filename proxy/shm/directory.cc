#include "shm/directory.h"

#include <fmt/format.h>

#include <cstring>

namespace banyan::shm {
namespace {

constexpr size_t at(Kind kind) { return static_cast<size_t>(kind); }

// Where the names of a kind begin in DirectoryArea::names.
constexpr size_t first_name(Kind kind) {
  size_t first = 0;
  for (size_t i = 0; i < at(kind); ++i) first += kNames[i];
  return first;
}
static_assert(first_name(Kind::script) + kNames[at(Kind::script)] == kAllNames);

}  // namespace

Directory::Directory(Segment& segment) : area_(&segment.layout().directory) {}

Result<uint32_t> Directory::add(Kind kind, std::string_view name) {
  if (name.empty()) return proxy_error(fmt::format("a {} without a name", kind_name(kind)));
  if (name.size() > kLongestName) {
    return proxy_error(
        fmt::format("the name of a {} is longer than {} bytes", kind_name(kind), kLongestName));
  }
  if (const uint32_t number = find(kind, name)) return number;
  const uint32_t number = count(kind) + 1;
  if (number > kNames[at(kind)]) {
    return proxy_error(fmt::format("more than {} different {} names since the start; restart to begin anew",
                                   kNames[at(kind)], kind_name(kind)));
  }
  if (name.size() > area_->text.size() - area_->text_used) {
    return proxy_error(
        fmt::format("names of routes, servers and the like need more than {} bytes since the start; "
                    "restart to begin anew",
                    area_->text.size()));
  }
  std::memcpy(area_->text.data() + area_->text_used, name.data(), name.size());
  area_->names[first_name(kind) + number - 1] = {area_->text_used, static_cast<uint32_t>(name.size())};
  area_->text_used += static_cast<uint32_t>(name.size());
  area_->counts[at(kind)].store(number, std::memory_order_release);
  return number;
}

uint32_t Directory::find(Kind kind, std::string_view name) {
  const Known& known = known_[at(kind)];
  if (auto it = known.numbers.find(name); it != known.numbers.end()) return it->second;
  if (known.upto == count(kind)) return 0;
  refresh(kind);
  auto it = known.numbers.find(name);
  return it == known.numbers.end() ? 0 : it->second;
}

std::string_view Directory::name(Kind kind, uint32_t number) const {
  if (number == 0 || number > count(kind)) return {};
  const NamePlace& place = area_->names[first_name(kind) + number - 1];
  return {area_->text.data() + place.offset, place.size};
}

uint32_t Directory::count(Kind kind) const { return area_->counts[at(kind)].load(std::memory_order_acquire); }

void Directory::refresh(Kind kind) {
  Known& known = known_[at(kind)];
  for (const uint32_t end = count(kind); known.upto < end;) {
    const uint32_t number = ++known.upto;
    known.numbers.emplace(name(kind, number), number);
  }
}

std::string server_name(std::string_view upstream, std::string_view address) {
  std::string name(upstream);
  name += '\0';
  name += address;
  return name;
}

std::pair<std::string_view, std::string_view> split_server_name(std::string_view name) {
  const size_t end = name.find('\0');
  if (end == name.npos) return {name, {}};
  return {name.substr(0, end), name.substr(end + 1)};
}

std::string_view kind_name(Kind kind) {
  constexpr std::array<std::string_view, kKinds> kTexts = {"route",   "upstream", "server",
                                                           "rollout", "handler",  "script"};
  return kTexts[at(kind)];
}

}  // namespace banyan::shm
