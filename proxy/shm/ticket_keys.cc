#include "shm/ticket_keys.h"

#include <algorithm>

namespace banyan::shm {

Cell<TicketKeys>& ticket_keys(const Segment& segment) {
  static_assert(sizeof(Cell<TicketKeys>) <= sizeof(TicketArea));
  return *reinterpret_cast<Cell<TicketKeys>*>(segment.layout().tickets.bytes.data());
}

void add_ticket_key(const Segment& segment, const TicketKey& fresh, WallTime now) {
  TicketKeys keys = ticket_keys(segment).read();
  std::shift_right(keys.keys.begin(), keys.keys.end(), 1);
  keys.keys[0] = fresh;
  keys.count = std::min<uint64_t>(keys.count + 1, keys.keys.size());
  keys.newest_at = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  ticket_keys(segment).write(keys);
}

std::optional<WallTime> ticket_key_due(const Segment& segment) {
  const TicketKeys keys = ticket_keys(segment).read();
  if (keys.count == 0) return std::nullopt;
  return WallTime(std::chrono::seconds(keys.newest_at)) + kTicketKeyTime;
}

}  // namespace banyan::shm
