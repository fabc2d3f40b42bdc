// Requests of one client under way in all workers, for concurrency limits.
//
// Each worker counts its own in its own table, so what a killed worker had counted goes with its slot; the
// limit compares the sum. A worker adds itself first and looks then: two that race for the last place may
// both be refused, never both admitted. Words are tag (48 bits) │ count (16 bits) in sets of eight; a client
// that finds its set full of others is not counted and passes.
#pragma once

#include <optional>
#include <utility>

#include "shm/segment.h"

namespace banyan::shm {

class InFlight {
 public:
  // The place of one admitted request; gives it back when destroyed.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept : word_(std::exchange(other.word_, nullptr)) {}
    Ticket& operator=(Ticket&& other) noexcept {
      std::swap(word_, other.word_);
      return *this;
    }
    ~Ticket();
    // False for a ticket that was moved from or never admitted.
    explicit operator bool() const { return word_ != nullptr; }

   private:
    friend class InFlight;
    explicit Ticket(Word& word) : word_(&word) {}
    Word* word_ = nullptr;
  };

  // REQUIRES: slot is this worker's own. The segment must outlive this and its tickets.
  InFlight(Segment& segment, uint32_t slot);
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  // Takes a place if fewer than `limit` requests of that client are under way. Null: refused. `hash` stands
  // for the limit and the client together. Loop thread only.
  std::optional<Ticket> enter(uint64_t hash, uint32_t limit);

 private:
  uint64_t sum(size_t set, uint64_t tag) const;

  Layout* layout_;
  uint32_t slot_;
};

}  // namespace banyan::shm
