// The small pieces of work that requests and events are made of, each to be run again and again: by Google
// Benchmark for its time (banyan_bench), and under callgrind for its instructions (banyan_count,
// bench/micro/count.py).
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace banyan::bench {

struct Piece {
  std::string name;
  // Prepares; what it returns does the work once.
  std::function<std::function<void()>()> make;
};

std::vector<Piece> http_pieces();
std::vector<Piece> decision_pieces();
std::vector<Piece> event_pieces();

inline std::vector<Piece> all_pieces() {
  std::vector<Piece> pieces = http_pieces();
  for (const auto& more : {decision_pieces(), event_pieces()}) {
    pieces.insert(pieces.end(), more.begin(), more.end());
  }
  return pieces;
}

// The compiler must take it for used.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace banyan::bench
