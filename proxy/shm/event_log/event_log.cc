// Regions, channels and their subscribers; events are in publish.cc and read.cc.
#include "shm/event_log.h"

#include "base/check.h"
#include "base/random.h"
#include "shm/event_log/layout.h"

namespace banyan::shm {
namespace {

constexpr uint64_t kLeastRing = 64 << 10;
constexpr uint32_t kLeastChannels = 16;
// Channels that are described while the lock is held.
constexpr uint32_t kSlice = 64;

EventLogHead& head_of(std::span<std::byte> region) { return *reinterpret_cast<EventLogHead*>(region.data()); }

uint64_t ring_of(const EventLogShape& shape) {
  return (std::max(shape.ring_bytes, kLeastRing) + 4095) / 4096 * 4096;
}
uint32_t channels_of(const EventLogShape& shape) { return std::max(shape.max_channels, kLeastChannels); }

}  // namespace

uint64_t EventLog::region_size(const EventLogShape& shape) {
  return EventLogPlaces::of(ring_of(shape), channels_of(shape)).end;
}

Result<void> EventLog::format(std::span<std::byte> region, const EventLogShape& shape) {
  CHECK(region.size() >= region_size(shape));
  EventLogHead& head = head_of(region);
  if (Result<void> made = format_lock(head.mutex); !made.ok()) return made;
  head.ring_bytes.store(ring_of(shape), std::memory_order_relaxed);
  head.max_channels.store(channels_of(shape), std::memory_order_relaxed);
  Parts parts(region.data(), head);
  parts.ring.format();
  parts.channels.format();
  head.identity.store(Random().next() | 1, std::memory_order_release);
  return {};
}

EventLog::EventLog(std::span<std::byte> region, uint32_t worker, uint64_t life, Left* left)
    : worker_(worker) {
  EventLogHead& head = head_of(region);
  CHECK(head.identity.load(std::memory_order_acquire) != 0);
  parts_ = std::make_unique<Parts>(region.data(), head);
  if (worker_ == kNoWorker) return;
  if (left) *left = find_left(life);
  parts_->columns.begin(worker_, life);
}

EventLog::~EventLog() = default;

// Takes no lock: as long as the column counts a channel, it is not evicted.
EventLog::Left EventLog::find_left(uint64_t life) const {
  Left left{parts_->columns.life(worker_), {}};
  if (left.life == life) return {};
  for (uint32_t i = 0; i < parts_->columns.used(worker_); ++i) {
    if (parts_->columns.of(worker_, i) > 0) left.channels.push_back(parts_->channels.name(i));
  }
  return left;
}

uint64_t EventLog::identity() const { return parts_->head.identity.load(std::memory_order_relaxed); }
size_t EventLog::longest_event() const {
  return Ring::longest(parts_->head.ring_bytes.load(std::memory_order_relaxed));
}
uint32_t EventLog::channels() const {
  return static_cast<uint32_t>(parts_->head.channels.count.load(std::memory_order_relaxed));
}

// ---------------------------------------------------------------- subscribing

Result<EventLog::Joined> EventLog::join(std::string_view name) {
  CHECK(worker_ != kNoWorker && !name.empty() && name.size() <= kLongestName);
  Channels& channels = parts_->channels;
  for (uint32_t looked_at = 0; looked_at < channels.max_channels(); looked_at += Channels::kWindow) {
    Held held(*parts_);
    if (!held) return Held::refused();
    std::optional<uint32_t> number = channels.find(name);
    if (!number && !channels.make_room()) continue;
    if (!number) {
      parts_->journal.begin();
      number = channels.make(name);
      parts_->journal.commit();
    }
    parts_->columns.add(worker_, *number, 1);
    const ChannelRecord& record = channels.record(*number);
    return Joined{*number,
                  {record.epoch.load(std::memory_order_relaxed), record.last.load(std::memory_order_relaxed)},
                  parts_->ring.tail()};
  }
  return no_room();
}

void EventLog::join_again(uint32_t channel, uint32_t count) {
  CHECK(own_subscribers(channel) > 0);
  parts_->columns.add(worker_, channel, count);
}

void EventLog::leave(uint32_t channel, uint32_t count) { parts_->columns.subtract(worker_, channel, count); }

uint32_t EventLog::own_subscribers(uint32_t channel) const {
  return worker_ == kNoWorker ? 0 : parts_->columns.of(worker_, channel);
}
uint64_t EventLog::subscribers(uint32_t channel) const { return parts_->columns.sum(channel); }

// ---------------------------------------------------------------- what there is

EventLog::Channel EventLog::describe(uint32_t number) const {
  const ChannelRecord& record = parts_->channels.record(number);
  Channel channel;
  channel.name = parts_->channels.name(number);
  channel.number = number;
  channel.subscribers = parts_->columns.sum(number);
  channel.last = {record.epoch.load(std::memory_order_relaxed), record.last.load(std::memory_order_relaxed)};
  const uint64_t newest = record.newest.load(std::memory_order_relaxed);
  RecordHead head;
  if (newest != 0 && parts_->ring.read_head(newest, head)) channel.published = to_time_point(head.time);
  return channel;
}

Result<std::optional<EventLog::Channel>> EventLog::find(std::string_view name) {
  Held held(*parts_);
  if (!held) return Held::refused();
  const std::optional<uint32_t> number = parts_->channels.find(name);
  return number ? std::optional(describe(*number)) : std::nullopt;
}

Result<uint32_t> EventLog::list(uint32_t from, size_t most, std::vector<Channel>& found) {
  const size_t enough = found.size() + most;
  while (true) {
    Held held(*parts_);
    if (!held) return Held::refused();
    const uint32_t end = parts_->channels.end(), stop = std::min(end, from + kSlice);
    for (; from < stop && found.size() < enough; ++from) {
      if (parts_->channels.record(from).epoch.load(std::memory_order_relaxed) != 0)
        found.push_back(describe(from));
    }
    if (from >= end) return parts_->channels.max_channels();
    if (found.size() >= enough) return from;
  }
}

}  // namespace banyan::shm
