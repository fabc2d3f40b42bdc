// A set of workers, by their number (0 to kWorkers - 1).
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "shm/layout.h"

namespace banyan::shm {

class WorkerSet {
 public:
  // REQUIRES: worker < kWorkers.
  void add(uint32_t worker) { words_[worker / 64] |= uint64_t{1} << worker % 64; }
  bool has(uint32_t worker) const { return words_[worker / 64] >> worker % 64 & 1; }
  void add_all(const WorkerSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  bool empty() const { return *this == WorkerSet(); }
  bool operator==(const WorkerSet&) const = default;

  // Calls visit(worker) for each of them, in order.
  template <class Visit>
  void each(Visit visit) const {
    for (uint32_t i = 0; i < words_.size(); ++i) {
      for (uint64_t word = words_[i]; word != 0; word &= word - 1)
        visit(i * 64 + static_cast<uint32_t>(std::countr_zero(word)));
    }
  }

 private:
  std::array<uint64_t, kWorkers / 64> words_{};
};

}  // namespace banyan::shm
