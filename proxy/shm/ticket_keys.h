// The keys that TLS session tickets are sealed with (RFC 5077 section 5.5): the same for all workers, so that
// a client may resume its session at any of them. The master puts a fresh key in front from time to time and
// forgets the oldest; what was sealed with a forgotten key cannot be opened by anybody any more.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "shm/cell.h"
#include "shm/segment.h"

namespace banyan::shm {

struct TicketKey {
  std::array<uint8_t, 16> name;
  std::array<uint8_t, 32> cipher;  // AES-256
  std::array<uint8_t, 32> mac;     // HMAC-SHA-256
};

struct TicketKeys {
  uint64_t count = 0;
  std::array<TicketKey, 3> keys = {};  // the newest, which seals, first
  int64_t newest_at = 0;               // seconds since 1970; 0: unknown
};

// How long a key seals; it opens for three times as long.
inline constexpr auto kTicketKeyTime = std::chrono::hours(8);

// Written by the master only.
Cell<TicketKeys>& ticket_keys(const Segment& segment);
// Puts the key in front. Master only.
void add_ticket_key(const Segment& segment, const TicketKey& fresh, WallTime now);
// When the newest key is to be followed by another one; nullopt if there is none.
std::optional<WallTime> ticket_key_due(const Segment& segment);

}  // namespace banyan::shm
