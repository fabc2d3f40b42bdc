// The keys of one request, as the delegator sees them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "handlers/batch_fetch/piece.h"

namespace banyan::handlers {

class Flight;

// To be taken out of the delegator by remove() before it is destroyed.
class Batch {
 public:
  // What came for keys[index]; from the loop, never inside add(). remove() may be called in it, but the batch
  // must live on until the call returns. True: taken, nothing more comes for that key. False: there is no
  // room for it until resume(), so it will be fetched again; only of objects, and after pause().
  virtual bool on_piece(size_t index, const Piece& piece) = 0;
  // Bytes of objects that may come for it now.
  virtual size_t room() const = 0;

  std::vector<std::string> keys;
  TimePoint arrived{};
  TimePoint deadline{};  // when an answer comes too late
  // For Server-Timing.
  Duration queued{};  // until the first fetch was begun
  uint32_t hits = 0;
  uint32_t joined = 0;  // fetches of others that were under way

 protected:
  ~Batch() = default;

 private:
  friend class Delegator;
  size_t scanned_ = 0;            // keys that were looked for in the cache
  std::vector<uint32_t> todo_;    // keys to fetch
  size_t next_ = 0;               // in todo_
  std::vector<Flight*> flights_;  // by key: what it waits for
  size_t held_ = 0;               // flights that it pays for
  uint64_t round_ = 0;            // fetches begun, counted from those of the others when it came
  uint64_t serial_ = 0;
  bool active_ = false;
  bool queued_ = false;  // is in the queue
  bool paused_ = false;
  bool began_ = false;  // its first fetch
};

}  // namespace banyan::handlers
