// What waits for one connection: parts of runs, in order. Only there while the kernel has no room.
//
//   [ pinned │ free messages … ]
//
// Pinned is what must go out as it is because its beginning has: the rest of a message that was sent in part,
// or what a TLS stream may have encrypted already. Behind it whole messages can be left out.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <vector>

#include "handlers/event_dispatch/wire.h"

namespace banyan::handlers {

class OutQueue {
 public:
  bool empty() const { return bytes_ == 0; }
  uint64_t bytes() const { return bytes_; }
  uint64_t messages() const { return messages_; }

  void add(RunPart part);
  // Behind what is pinned, before everything else.
  void add_in_front(RunPart part);
  // The first parts; how many there are.
  size_t gather(std::span<iovec> parts) const;
  // The whole size of the message that goes out next, or has begun to. REQUIRES: not empty.
  size_t size_of_first() const;
  // So many bytes went out, of the `offered` parts that gather() gave. `sealed`: the rest of those may be
  // encrypted already.
  void sent(size_t bytes, size_t offered, bool sealed);
  // Leaves out the oldest messages until there are no more than these; how many it left out.
  uint64_t drop_oldest(uint64_t bytes, uint64_t messages);
  // Leaves out all that is not pinned.
  uint64_t drop_free() { return drop_oldest(0, 0); }
  // All its runs count in `held`, see RunRef::count_in.
  void count_in(uint64_t& held) const;

 private:
  void pin_begun_message();
  void pop_front();
  void compact();

  std::vector<RunPart> parts_;  // from head_ on
  uint32_t head_ = 0;
  uint32_t pinned_ = 0;  // parts
  uint64_t bytes_ = 0;
  uint64_t messages_ = 0;
};

}  // namespace banyan::handlers
