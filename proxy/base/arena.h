// Bytes that live exactly as long as one object: text made for a message (a normalised path, a rewritten
// field).
#pragma once

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

namespace banyan {

// Hands out memory that never moves and is freed all at once. Empty arenas own nothing; reset() keeps one
// chunk, so a reused arena allocates nothing in the steady state. Not for objects with destructors.
class Arena {
 public:
  Arena() = default;
  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = default;

  char* allocate(size_t size) {
    if (size > left_) grow(size);
    char* memory = next_;
    next_ += size;
    left_ -= size;
    return memory;
  }

  std::string_view copy(std::string_view text) { return concat({text}); }

  std::string_view concat(std::initializer_list<std::string_view> parts) {
    size_t size = 0;
    for (std::string_view part : parts) size += part.size();
    char* memory = allocate(size);
    char* end = memory;
    for (std::string_view part : parts) {
      if (!part.empty()) std::memcpy(end, part.data(), part.size());
      end += part.size();
    }
    return {memory, size};
  }

  // All text handed out becomes invalid.
  void reset() {
    if (chunks_.empty()) return;
    if (chunks_.size() > 1 || chunk_size_ > kKeep) {
      chunks_.clear();
      left_ = chunk_size_ = 0;
      return;
    }
    next_ = chunks_.front().get();
    left_ = chunk_size_;
  }

 private:
  static constexpr size_t kFirst = 512;
  static constexpr size_t kKeep = 2048;

  void grow(size_t size) {
    chunk_size_ = std::max(size, chunks_.empty() ? kFirst : chunk_size_ * 2);
    chunks_.push_back(std::make_unique<char[]>(chunk_size_));
    next_ = chunks_.back().get();
    left_ = chunk_size_;
  }

  std::vector<std::unique_ptr<char[]>> chunks_;
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t chunk_size_ = 0;
};

}  // namespace banyan
